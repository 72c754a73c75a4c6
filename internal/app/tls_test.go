package app_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// secured is a file with an HTTPS listener "web" and an SSL listener "raw" in
// front of one endpoint each. more goes into [listener.tls] of both.
func secured(pair testkit.Pair, web, raw, more string) string {
	const listener = `
[[listener]]
name     = %q
listen   = "127.0.0.1:0"
protocol = %q
service  = %q
[listener.tls]
certificates = [{ cert_file = %q, key_file = %q }]
%s
`
	return fmt.Sprintf(listener, "web", "HTTPS", "web", pair.CertFile, pair.KeyFile, more) +
		fmt.Sprintf(listener, "raw", "SSL", "raw", pair.CertFile, pair.KeyFile, more) +
		fmt.Sprintf("[[service]]\nname = \"web\"\nendpoints = [%q]\n", web) +
		fmt.Sprintf("[[service]]\nname = \"raw\"\nendpoints = [%q]\n", raw)
}

// dialTLS makes a handshake with a listener.
func (p *proxy) dialTLS(listener string, c *tls.Config) (*tls.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second}
	return tls.DialWithDialer(d, "tcp", p.ListenAddr(listener).String(), c)
}

func TestHTTPSIsServedAndSaysSo(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	heads := make(chan http.Header, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { heads <- r.Header })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	p := run(t, secured(certificates.Server("127.0.0.1"), l.Addr().String(), l.Addr().String(), ""))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: certificates.Pool}, ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + p.ListenAddr("web").String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.TLS.NegotiatedProtocol != "http/1.1" || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s over %s, %s", resp.Status, resp.TLS.NegotiatedProtocol, tls.VersionName(resp.TLS.Version))
	}
	if got := (<-heads).Get("X-Forwarded-Proto"); got != "https" {
		t.Errorf("the endpoint was told %q", got)
	}
}

func TestHalfClosesPassThroughSSL(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := run(t, secured(certificates.Server("a.example.com"), l.Addr().String(), l.Addr().String(), ""))
	c, err := p.dialTLS("raw", &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	io.WriteString(c, "question")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(e); string(got) != "question" || err != nil {
		t.Fatalf("the endpoint got %q, %v", got, err)
	}
	io.WriteString(e, "answer")
	e.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
		t.Fatalf("the client got %q, %v", got, err)
	}
}

// A reload reads the files again though the configuration is the same. Whoever
// connects meanwhile gets the old certificate or the new one, and sessions go on.
func TestAReloadUnderLoadFailsNoHandshake(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	web := named(t, "a")
	files := certificates.Server("a.example.com")
	file := secured(files, web, web, "")
	p := run(t, file)
	sessions := tls.NewLRUClientSessionCache(0)
	config := &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com", ClientSessionCache: sessions}
	ask := func(config *tls.Config) (*tls.ConnectionState, error) {
		c, err := p.dialTLS("web", config)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(c)
		if err == nil && !strings.HasPrefix(string(all), "HTTP/1.1 200 OK\r\n") {
			err = fmt.Errorf("got %q", all)
		}
		s := c.ConnectionState()
		return &s, err
	}
	if _, err := ask(config); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if _, err := ask(&tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var last testkit.Pair
	for range 10 {
		last = certificates.Server("a.example.com")
		last.WriteTo(t, files)
		p.reload(file)
	}
	close(over)
	load.Wait()
	s, err := ask(config)
	if err != nil || !s.DidResume {
		t.Errorf("after the reloads: resumed %v, %v", s != nil && s.DidResume, err)
	}
	s, err = ask(&tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
	if err != nil || !s.PeerCertificates[0].Equal(last.TLS.Leaf) {
		t.Errorf("after the reloads there is another certificate than the last, %v", err)
	}
}

func TestAReloadWithABadCertificateChangesNothing(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	web := named(t, "a")
	files := certificates.Server("a.example.com")
	p := run(t, secured(files, web, web, ""))
	if err := os.WriteFile(files.KeyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := p.Reload()
	if err == nil || !strings.Contains(err.Error(), "spillway.toml:8: listener.tls.certificates.key_file: "+files.KeyFile+" has no private key") {
		t.Errorf("got %v", err)
	}
	c, err := p.dialTLS("web", &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestOtherClientCertificatesEndOldSessions(t *testing.T) {
	certificates, others := testkit.NewCertificates(t), testkit.NewCertificates(t)
	web := named(t, "a")
	files := certificates.Server("a.example.com")
	requiring := func(ca string) string {
		return secured(files, web, web, fmt.Sprintf("client_auth = \"REQUIRE\"\nclient_ca_file = %q\n", ca))
	}
	p := run(t, requiring(certificates.CAFile))
	config := &tls.Config{
		RootCAs: certificates.Pool, ServerName: "a.example.com", ClientSessionCache: tls.NewLRUClientSessionCache(0),
		Certificates: []tls.Certificate{certificates.Client("somebody").TLS},
	}
	ask := func() (*tls.Conn, error) {
		c, err := p.dialTLS("web", config)
		if err != nil {
			return nil, err
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		_, err = io.ReadAll(c)
		c.Close()
		return c, err
	}
	for i := range 2 {
		if c, err := ask(); err != nil || c.ConnectionState().DidResume != (i > 0) {
			t.Fatalf("time %d: %v", i, err)
		}
	}
	p.reload(requiring(others.CAFile))
	if _, err := ask(); err == nil {
		t.Error("a client that nobody vouches for any more was served")
	}
}

// Who cuts a connection is not to pass for somebody who has said all: an attacker
// can do that, too, without the key.
func TestATruncatedStreamIsAResetForTheOtherSide(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := run(t, secured(certificates.Server("a.example.com"), l.Addr().String(), l.Addr().String(), ""))
	c, err := p.dialTLS("raw", &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	io.WriteString(c, "quest")
	if _, err := io.ReadFull(e, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	c.NetConn().(*net.TCPConn).CloseWrite() // without a close_notify
	if _, err := e.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the endpoint saw %v, want a reset", err)
	}
}
