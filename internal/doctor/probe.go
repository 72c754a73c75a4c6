package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/internal/host"
)

// A target is an endpoint to probe.
type target struct {
	ProbeKey
	addr     string
	protocol string            // HTTP, HTTPS, SSL; with others a connection will do
	host     string            // for Host; "": the address
	tlsName  string            // "": the address's
	certs    []tls.Certificate // what the service shows its endpoints
}

// probesAtOnce bounds the connections that are tried at the same time.
const probesAtOnce = 64

// probeAll probes every target, and returns when all are done, at the earliest when
// until is over: connections to HTTP endpoints stay open for that long, to see
// whether the endpoint closes them.
func probeAll(ctx context.Context, targets []target, timeout time.Duration, until time.Time) map[ProbeKey]Probe {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		room = make(chan struct{}, probesAtOnce)
		all  = make(map[ProbeKey]Probe, len(targets))
	)
	for _, t := range targets {
		wg.Go(func() {
			room <- struct{}{}
			p, held := t.probe(ctx, timeout, until)
			<-room
			if held != nil {
				if len(targets) <= probesAtOnce { // more would be too many to hold
					p.KeepAlive = orShorter(p.KeepAlive, t.idleTimeout(ctx, held, timeout, until))
				}
				held.Close()
			}
			mu.Lock()
			all[t.ProbeKey] = p
			mu.Unlock()
		})
	}
	wg.Wait()
	return all
}

// probe connects and asks. An answer has until then in any case: nobody waits longer
// for that, and an application that is slow is not one that is silent. held is a
// connection that the endpoint means to keep.
func (t *target) probe(ctx context.Context, timeout time.Duration, until time.Time) (p Probe, held net.Conn) {
	began := time.Now()
	conn, err := t.connect(ctx, timeout)
	p.Waited = time.Since(began)
	if err != nil {
		p.Answer, p.Detail = refusalOf(err)
		if p.Answer == Refused {
			p.Local, p.Listening = localListeners(t.addr)
		}
		return p, nil
	}
	p.Answer, p.From = Answers, conn.LocalAddr().String()
	asked := time.Now()
	by := asked.Add(timeout)
	if until.After(by) {
		by = until
	}
	_ = conn.SetDeadline(by)
	if t.protocol == "HTTPS" || t.protocol == "SSL" {
		name := t.tlsName
		if name == "" {
			name, _, _ = net.SplitHostPort(t.addr)
		}
		secured := tls.Client(conn, &tls.Config{ServerName: name, Certificates: t.certs, InsecureSkipVerify: true}) // whether it is to be trusted, health checks say
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			p.Waited = time.Since(asked)
			return p.silentIf(err), nil
		}
		conn = secured
	}
	if t.protocol != "HTTP" && t.protocol != "HTTPS" {
		conn.Close()
		return p, nil
	}
	keep, err := t.ask(conn, &p)
	p.Waited = time.Since(asked)
	if err != nil || !keep {
		conn.Close()
		return p.silentIf(err), nil
	}
	return p, conn
}

func (t *target) connect(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	if path, ok := strings.CutPrefix(t.addr, "unix:"); ok {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", t.addr)
}

// ask sends HEAD /, which asks for no work, and reads the answer, whatever it is.
func (t *target) ask(conn net.Conn, p *Probe) (keep bool, err error) {
	to := t.host
	if to == "" {
		to = t.addr
	}
	if strings.HasPrefix(to, "unix:") {
		to = "localhost"
	}
	if _, err := fmt.Fprintf(conn, "HEAD / HTTP/1.1\r\nHost: %s\r\nUser-Agent: spillway-doctor\r\n\r\n", to); err != nil {
		return false, err
	}
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodHead})
	if err != nil {
		p.Detail = "what it answers is not HTTP: " + err.Error()
		return false, nil
	}
	answer.Body.Close()
	p.KeepAlive = keepAliveOf(answer.Header)
	return !answer.Close, nil
}

// keepAliveOf reads "Keep-Alive: timeout=5, max=100".
func keepAliveOf(h http.Header) time.Duration {
	for part := range strings.SplitSeq(h.Get("Keep-Alive"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil && strings.EqualFold(name, "timeout") {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

// idleTimeout is how long the endpoint has kept held; 0: until the end, or it is gone
// itself.
func (t *target) idleTimeout(ctx context.Context, held net.Conn, timeout time.Duration, until time.Time) time.Duration {
	kept := closedAfter(ctx, held, until)
	if kept == 0 {
		return 0
	}
	again, err := t.connect(ctx, timeout)
	if err != nil {
		return 0
	}
	again.Close()
	return kept
}

// closedAfter waits whether the endpoint closes an idle connection, and returns how
// long that took; 0: it did not.
func closedAfter(ctx context.Context, conn net.Conn, until time.Time) time.Duration {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	began := time.Now()
	_ = conn.SetReadDeadline(until)
	var b [1]byte
	_, err := conn.Read(b[:])
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
		return 0
	}
	return time.Since(began).Round(10 * time.Millisecond)
}

func orShorter(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// silentIf is the probe of an endpoint that was connected to, and then did not
// answer.
func (p Probe) silentIf(err error) Probe {
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		p.Answer = Silent
	case errors.Is(err, context.Canceled):
		p.Answer = ""
	default:
		p.Answer, p.Ended, p.Detail = Silent, true, "the connection ended: "+err.Error()
		var record tls.RecordHeaderError
		var alert *net.OpError
		if errors.As(err, &record) || errors.As(err, &alert) && alert.Op == "remote error" { // it does speak
			p.Answer, p.Ended, p.Detail = Answers, false, err.Error()
		}
	}
	return p
}

// refusalOf says why there is no connection.
func refusalOf(err error) (Answer, string) {
	var op *net.OpError
	detail := err.Error()
	if errors.As(err, &op) {
		detail = op.Err.Error()
	}
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "", ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, detail
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return Filtered, detail
	}
	return Unreachable, detail
}

// localListeners reports whether an address is of this machine, and who listens on
// its port there.
func localListeners(addr string) (local bool, listening []string) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !ofThisMachine(at.Addr().Unmap()) {
		return false, nil
	}
	err = host.Sockets(func(s host.Socket) {
		if s.Listens && s.Local.Port() == at.Port() {
			listening = append(listening, s.Local.String())
		}
	})
	return err == nil, listening
}

func ofThisMachine(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range own {
		if p, err := netip.ParsePrefix(one.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}
