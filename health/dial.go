package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attempt runs one check of an address over a fresh connection: dial, converse, close. The timeout covers all three,
// and converse needs to know nothing of it: the connection's deadline ends its reads and writes, and so does ctx.
func attempt(ctx context.Context, c Check, addr string, converse func(net.Conn, string) error) Result {
	start := time.Now()
	if end, ok := ctx.Deadline(); !ok || end.Sub(start) > c.Timeout { // else the caller has seen to it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	err := dialAndConverse(ctx, c, addr, converse)
	r := Result{OK: err == nil, Took: time.Since(start)}
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		r.Reason = "check canceled"
	case isTimeout(ctx, err):
		r.Timeout = true
		r.Reason = fmt.Sprintf("timeout after %v", c.Timeout)
	default:
		r.Reason = reasonOf(err)
		r.Inconclusive = isOurs(err)
	}
	return r
}

func dialAndConverse(ctx context.Context, c Check, addr string, converse func(net.Conn, string) error) error {
	network, target, err := Target(addr, c.Port)
	if err != nil {
		return err
	}
	dialer := net.Dialer{KeepAlive: -1} // no connection lives long enough to need it
	conn, err := dialer.DialContext(ctx, network, target)
	if err != nil {
		return err
	}
	defer conn.Close()

	// The deadline of ctx ends a silent peer; its cancellation, by whoever stops the watch, does so at once.
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken // the goroutine of AfterFunc is ours, and gone before we are
		}
	}()
	if c.ProxyHeader == ProxyV1 { // before TLS: it is of the connection, not of what is said on it
		if _, err := io.WriteString(conn, "PROXY UNKNOWN\r\n"); err != nil {
			return err
		}
	}
	if !c.overTLS() {
		return converse(conn, target)
	}
	secured, err := handshake(conn, c, target)
	if err != nil {
		return err
	}
	defer secured.Close() // with a close_notify: it is no attack
	return converse(secured, target)
}

// Target says what to dial for an endpoint at addr, "host:port" or "unix:/path", that is to be asked at another port; 0:
// at its own.
func Target(addr string, port int) (network, target string, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if port != 0 {
			return "", "", fmt.Errorf("a Unix socket has no port %d", port)
		}
		return "unix", path, nil
	}
	if port == 0 {
		return "tcp", addr, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", err
	}
	return "tcp", net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// isTimeout reports whether err means that nothing came in time. It does not ask err.Timeout(), which is true of
// EAGAIN too: that is what a Unix socket answers, at once, when too many are waiting to be accepted.
func isTimeout(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT)
}

// reasonOf drops what an operator knows already (the operation, the address) and keeps the cause.
func reasonOf(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return fmt.Sprintf("lookup %s: %s", dns.Name, dns.Err)
	case errors.As(err, new(handshakeError)) && errors.Is(err, io.EOF):
		return "connection closed in the TLS handshake"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the end of the response"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// isOurs reports whether err is this machine's want of something and not the endpoint's fault.
func isOurs(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// quote shows the beginning of what an endpoint sent, which may be anything.
func quote(b []byte) string {
	const shown = 40
	if len(b) > shown {
		return strconv.QuoteToASCII(string(b[:shown])) + "…"
	}
	return strconv.QuoteToASCII(string(b))
}
