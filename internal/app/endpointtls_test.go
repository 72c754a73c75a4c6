package app_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// securely runs an HTTPS endpoint that answers with its name, or what it is sent.
func securely(t *testing.T, name string, config *tls.Config) (addr string, conns *atomic.Int64) {
	t.Helper()
	conns = new(atomic.Int64)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			io.Copy(w, r.Body)
			return
		}
		io.WriteString(w, name)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), conns
}

func only(p testkit.Pair) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{p.TLS}} }

func overHTTPS(ca string, endpoints ...string) string {
	return fmt.Sprintf(`
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
protocol = "HTTPS"
endpoints = ["%s"]
tls = { ca_file = %q }
`, strings.Join(endpoints, `", "`), ca)
}

func TestAnHTTPListenerReachesEndpointsOverTLS(t *testing.T) {
	t.Parallel()
	certs := testkit.NewCertificates(t)
	addr, conns := securely(t, "one", only(certs.Server("127.0.0.1")))
	p := run(t, overHTTPS(certs.CAFile, addr))
	body := make([]byte, 3<<20)
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 20 {
				if status, got := p.get("web", "/"); status != 200 || got != "one" {
					t.Errorf("got %d %q", status, got)
				}
			}
			resp, err := http.Post("http://"+p.ListenAddr("web").String(), "", strings.NewReader(string(body)))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Errorf("got %d bytes back, %v, not the %d that were sent", len(got), err, len(body))
			}
		})
	}
	clients.Wait()
	if n := conns.Load(); n > 16 {
		t.Errorf("%d connections for 168 requests of 8 clients", n)
	}
}

func TestAnEndpointThatIsNotWhoItSaysGetsNoTraffic(t *testing.T) {
	certs, others := testkit.NewCertificates(t), testkit.NewCertificates(t)
	good, _ := securely(t, "good", only(certs.Server("127.0.0.1")))
	bad, _ := securely(t, "bad", only(others.Server("127.0.0.1")))
	p := run(t, overHTTPS(certs.CAFile, bad, good))
	for range 4 {
		if status, got := p.get("web", "/"); status != 200 || got != "good" {
			t.Errorf("got %d %q", status, got)
		}
	}
	if log := p.log.String(); !strings.Contains(log, "cause=tls_certificate_error") || !strings.Contains(log, "unknown authority") {
		t.Errorf("the log does not say what was wrong:\n%s", log)
	}
	p.reload(overHTTPS(certs.CAFile, bad)) // the listener stays: it has another port otherwise
	resp, err := http.Get("http://" + p.ListenAddr("web").String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if status := resp.Header.Get("Proxy-Status"); resp.StatusCode != 502 || !strings.Contains(status, "error=tls_certificate_error") {
		t.Errorf("got %d, %q", resp.StatusCode, status)
	}
}

func TestAReloadReadsTheFilesAgain(t *testing.T) {
	certs, others := testkit.NewCertificates(t), testkit.NewCertificates(t)
	addr, conns := securely(t, "one", only(certs.Server("127.0.0.1")))
	file := overHTTPS(certs.CAFile, addr)
	p := run(t, file)
	ask := func(want int) {
		t.Helper()
		if status, _ := p.get("web", "/"); status != want {
			t.Fatalf("got %d, want %d", status, want)
		}
	}
	ask(200)
	p.reload(file)
	ask(200)
	if n := conns.Load(); n != 1 {
		t.Errorf("a reload of the same took a new connection: %d", n)
	}
	other, err := os.ReadFile(others.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certs.CAFile, other, 0o600); err != nil {
		t.Fatal(err)
	}
	p.reload(file)
	ask(502) // not even on the connection that is there
}

const plainAndSecure = `
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "%s"
[[service]]
name = "plain"
endpoints = ["%s"]
[[service]]
name = "secure"
protocol = "HTTPS"
endpoints = ["%s"]
tls = { insecure_skip_verify = true }
`

func TestARunningListenerDoesNotLeaveTheEventLoops(t *testing.T) {
	certs := testkit.NewCertificates(t)
	secure, _ := securely(t, "secure", only(certs.Server("127.0.0.1")))
	plain := named(t, "plain")
	file := func(service string) string { return fmt.Sprintf(plainAndSecure, service, plain, secure) }

	p := run(t, file("plain"))
	p.write(file("secure"))
	err := p.Reload()
	if runtime.GOOS == "linux" { // the others have no event loops
		if err == nil || !strings.Contains(err.Error(), "web") && !strings.Contains(err.Error(), "127.0.0.1:0") ||
			!strings.Contains(err.Error(), `service "secure"`) || !strings.Contains(err.Error(), "restart") {
			t.Fatalf("the reload: %v", err)
		}
		if _, got := p.get("web", "/"); got != "plain" {
			t.Errorf("after a reload that was refused: %q", got)
		}
	}
	if !strings.Contains(p.log.String(), "insecure_skip_verify") {
		t.Error("no word about insecure_skip_verify at the start")
	}

	q := run(t, file("secure"))
	for _, service := range []string{"secure", "plain", "secure"} { // on goroutines it may do both
		q.reload(file(service))
		if status, got := q.get("web", "/"); status != 200 || got != service {
			t.Errorf("got %d %q, want %q", status, got, service)
		}
	}
}

func TestATCPListenerReachesEndpointsOverTLS(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := only(certs.Server("a.example.com"))
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, certs.Pool
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { // says back what it has read, once it has read all
				defer c.Close()
				if b, err := io.ReadAll(c); err == nil {
					c.Write(b)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	own := certs.Client("proxy")
	p := run(t, fmt.Sprintf(`
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "ssl"
[[service]]
name = "ssl"
protocol = "SSL"
endpoints = ["%s"]
tls = { server_name = "a.example.com", ca_file = %q, cert_file = %q, key_file = %q }
health_check = { check_interval = "50ms" }
`, l.Addr(), certs.CAFile, own.CertFile, own.KeyFile))
	testkit.Eventually(t, func() bool { return p.Balancer("ssl").Checked() })
	c, err := net.Dial("tcp", p.ListenAddr("in").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := strings.Repeat("half-close over TLS. ", 50_000)
	go func() {
		io.WriteString(c, sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != sent {
		t.Errorf("got %d bytes of %d, %v", len(got), len(sent), err)
	}
}

func TestAnUpgradePassesThroughTLS(t *testing.T) {
	certs := testkit.NewCertificates(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", only(certs.Server("127.0.0.1")))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				if _, err := http.ReadRequest(r); err == nil {
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
					io.Copy(c, r)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	p := run(t, overHTTPS(certs.CAFile, l.Addr().String()))
	c, err := net.Dial("tcp", p.ListenAddr("web").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("got %v, %v", resp, err)
	}
	io.WriteString(c, " and late")
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(r); string(got) != "early and late" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestChecksOverTLSBesideTrafficInTheClear: nothing says whom such a check is to
// believe unless the service has a tls.
func TestChecksOverTLSBesideTrafficInTheClear(t *testing.T) {
	certs := testkit.NewCertificates(t)
	checked, _ := securely(t, "well", only(certs.Server("127.0.0.1")))
	_, port, _ := net.SplitHostPort(checked)
	for _, c := range []struct {
		tls  string
		want health.Status
	}{
		{"", health.Healthy},
		{"tls = {}", health.Unhealthy}, // by the system's authorities
		{fmt.Sprintf("tls = { ca_file = %q }", certs.CAFile), health.Healthy},
		{fmt.Sprintf(`tls = { ca_file = %q, server_name = "a.example.com" }`, certs.CAFile), health.Unhealthy},
	} {
		p := run(t, fmt.Sprintf(`
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
endpoints = ["127.0.0.1:1"]
%s
health_check = { type = "HTTPS", port = %s, check_interval = "5s", unhealthy_threshold = 1 }
`, c.tls, port))
		testkit.Eventually(t, func() bool { return p.Balancer("web").Checked() })
		if e := p.Balancer("web").Status().Groups[0].Endpoints[0]; e.Health != c.want {
			t.Errorf("%q: the endpoint is %v, %q, want %v", c.tls, e.Health, e.Reason, c.want)
		}
	}
}
