package health

import (
	"bytes"
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
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	err := dialAndConverse(ctx, c, addr, converse)
	return resultOf(err, c.Timeout, time.Since(start))
}

func dialAndConverse(ctx context.Context, c Check, addr string, converse func(net.Conn, string) error) error {
	network, target, err := targetOf(addr, c.Port)
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
	return converse(conn, target)
}

// targetOf says what to dial for an endpoint's address when the check may have a port of its own.
func targetOf(addr string, port int) (network, target string, err error) {
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

// resultOf turns the error of an attempt into a result.
func resultOf(err error, timeout, took time.Duration) Result {
	r := Result{OK: err == nil, Took: took}
	if err == nil {
		return r
	}
	var wait interface{ Timeout() bool }
	if errors.As(err, &wait) && wait.Timeout() {
		r.Timeout = true
		r.Reason = fmt.Sprintf("timeout after %v", timeout)
		return r
	}
	r.Reason = reasonOf(err)
	r.Inconclusive = isOurs(err)
	return r
}

// reasonOf drops what an operator knows already (the operation, the address) and keeps the cause.
func reasonOf(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return fmt.Sprintf("lookup %s: %s", dns.Name, dns.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the end of the response"
	case errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return "check canceled"
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

// tcpChecker is the check of type TCP (spec.md §8.2): connecting is enough unless an answer is asked for.
type tcpChecker struct{ c Check }

func (t *tcpChecker) Check(ctx context.Context, addr string) Result {
	return attempt(ctx, t.c, addr, t.converse)
}

// converse sends the request, if any, and compares as many bytes as are expected; what follows them is not read.
func (t *tcpChecker) converse(conn net.Conn, _ string) error {
	if t.c.Request != "" {
		if _, err := io.WriteString(conn, t.c.Request); err != nil {
			return err
		}
	}
	if t.c.Response == "" {
		return nil
	}
	got := make([]byte, len(t.c.Response))
	n, err := io.ReadFull(conn, got)
	if !bytes.HasPrefix([]byte(t.c.Response), got[:n]) {
		return fmt.Errorf("response begins %s, want %s", quote(got[:n]), quote([]byte(t.c.Response)))
	}
	return err
}

// quote shows the beginning of what an endpoint sent, which may be anything.
func quote(b []byte) string {
	const shown = 40
	if len(b) > shown {
		return strconv.QuoteToASCII(string(b[:shown])) + "…"
	}
	return strconv.QuoteToASCII(string(b))
}
