package doctor

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// listens serves each connection with f until the test ends.
func listens(t *testing.T, network, addr string, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	over := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); f(c) })
			wg.Go(func() { <-over; c.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); close(over); wg.Wait() })
	return l.Addr().String()
}

// says reads a request's first bytes and answers with text.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 1000)); err == nil {
			_, _ = io.WriteString(c, text)
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

func TestProbesTellWhatComesOfConnecting(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(web.Config.Handler)
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	guarded := httptest.NewUnstartedServer(web.Config.Handler)
	// With TLS 1.3 it would say so after the handshake, and its reset might overtake that.
	guarded.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	guarded.Config.ErrorLog = log.New(io.Discard, "", 0)
	guarded.StartTLS()
	t.Cleanup(guarded.Close)
	gone := testkit.FreeAddr(t)
	host := func(url string) string { _, h, _ := strings.Cut(url, "://"); return h }
	mute := listens(t, "tcp", "127.0.0.1:0", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })

	for _, c := range []struct {
		name, protocol, addr string
		want                 Answer
		detail               string
		keepAlive            time.Duration
	}{
		{"HTTP", "HTTP", host(web.URL), Answers, "", 0},
		{"HTTPS, whoever signed it", "HTTPS", host(secure.URL), Answers, "", 0},
		{"SSL", "SSL", host(secure.URL), Answers, "", 0},
		{"one that wants a certificate", "HTTPS", host(guarded.URL), Answers, "remote error", 0},
		{"TCP", "TCP", mute, Answers, "", 0},
		{"a socket", "HTTP", "unix:" + listens(t, "unix", filepath.Join(t.TempDir(), "s"), says("HTTP/1.1 200 OK\r\n\r\n")), Answers, "", 0},
		{"an error is an answer", "HTTP", listens(t, "tcp", "127.0.0.1:0", says("HTTP/1.1 503 No\r\nConnection: close\r\n\r\n")), Answers, "", 0},
		{"another protocol is an answer", "HTTP", listens(t, "tcp", "127.0.0.1:0", says("SSH-2.0-x\r\n\r\n")), Answers, "not HTTP", 0},
		{"a promise", "HTTP", listens(t, "tcp", "127.0.0.1:0", says("HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=7\r\n\r\n")), Answers, "", 7 * time.Second},
		{"a mute one, HTTP", "HTTP", mute, Silent, "", 0},
		{"a mute one, HTTPS", "HTTPS", mute, Silent, "", 0},
		{"one that hangs up", "HTTP", listens(t, "tcp", "127.0.0.1:0", func(net.Conn) {}), Silent, "the connection ended", 0},
		{"TLS where there is none", "HTTPS", host(web.URL), Answers, "", 0},
		{"nobody", "HTTP", gone, Refused, "refused", 0},
		{"no such socket", "HTTP", "unix:" + filepath.Join(t.TempDir(), "none"), Unreachable, "", 0},
		{"no address", "TCP", "127.0.0.1:none", Unreachable, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, patience := ProbeKey{"web", "a"}, time.Minute
			if c.addr == mute {
				patience = 300 * time.Millisecond
			}
			p := probeAll(t.Context(), []target{{ProbeKey: key, addr: c.addr, protocol: c.protocol}}, patience, time.Now())[key]
			if p.Answer != c.want || !strings.Contains(p.Detail, c.detail) || p.KeepAlive != c.keepAlive {
				t.Errorf("%+v, want %s with %q and %v", p, c.want, c.detail, c.keepAlive)
			}
		})
	}
}

func TestProbesShowTheCertificateOfTheFile(t *testing.T) {
	shown := make(chan int, 1)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- len(r.TLS.PeerCertificates) }))
	web.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	web.StartTLS()
	t.Cleanup(web.Close)
	_, addr, _ := strings.Cut(web.URL, "://")
	key := ProbeKey{"web", "a"}
	p := probeAll(t.Context(), []target{{ProbeKey: key, addr: addr, protocol: "HTTPS", certs: web.TLS.Certificates}}, 5*time.Second, time.Now())[key]
	if p.Answer != Answers || p.Detail != "" || <-shown != 1 {
		t.Errorf("%+v", p)
	}
}

func TestProbesWaitForAsLongAsTheProxyIsWatchedAnyway(t *testing.T) {
	t.Parallel()
	slow := listens(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		time.Sleep(1200 * time.Millisecond) // longer than the timeout, which has to do for connecting
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	key := ProbeKey{"web", "a"}
	if p := probeAll(t.Context(), []target{{ProbeKey: key, addr: slow, protocol: "HTTP"}}, time.Second, time.Now().Add(time.Minute))[key]; p.Answer != Answers {
		t.Errorf("%+v of one that takes its time", p)
	}
}

func TestProbesSeeWhenAnEndpointHangsUp(t *testing.T) {
	short := listens(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		time.Sleep(20 * time.Millisecond)
	})
	key := ProbeKey{"web", "a"}
	p := probeAll(t.Context(), []target{{ProbeKey: key, addr: short, protocol: "HTTP"}}, 5*time.Second, time.Now().Add(time.Minute))[key]
	if p.Answer != Answers || p.KeepAlive <= 0 || p.KeepAlive > 10*time.Second {
		t.Errorf("%+v, want that it keeps connections for some 20ms", p)
	}
}

func TestAnEndpointThatDiesHasNoIdleTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		l.Close()
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		time.Sleep(20 * time.Millisecond) // what would be taken for an idle timeout
	})
	key := ProbeKey{"web", "a"}
	p := probeAll(t.Context(), []target{{ProbeKey: key, addr: l.Addr().String(), protocol: "HTTP"}}, 5*time.Second, time.Now().Add(time.Minute))[key]
	if p.Answer != Answers || p.KeepAlive != 0 {
		t.Errorf("%+v, want an answer, and nothing of how long connections are kept", p)
	}
}

func TestProbesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := ProbeKey{"web", "a"}
	if p := probeAll(ctx, []target{{ProbeKey: key, addr: "127.0.0.1:1", protocol: "HTTP"}}, time.Minute, time.Now())[key]; p.Answer != "" {
		t.Errorf("%+v of nothing", p)
	}
}

func FuzzKeepAlive(f *testing.F) {
	f.Add("timeout=5, max=100")
	f.Add("TIMEOUT = 99999999999999999999")
	f.Fuzz(func(t *testing.T, value string) {
		if d := keepAliveOf(http.Header{"Keep-Alive": {value}}); d < 0 {
			t.Errorf("%q is %v", value, d)
		}
	})
}
