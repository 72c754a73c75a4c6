package app_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// What the access log and the metrics tell of TLS, once for each kind of listener.
func TestLogAndMetricsTellOfTLS(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	pair := certificates.Server("a.example.com")
	access := filepath.Join(t.TempDir(), "access.json")
	p := run(t, "[admin]\nlisten = \"127.0.0.1:0\"\n[log]\naccess = '"+access+"'\n"+
		secured(pair, named(t, "a"), hears(t), ""))
	sessions := tls.NewLRUClientSessionCache(0)
	say := func(listener string, c *tls.Config) {
		t.Helper()
		c.RootCAs, c.ServerName, c.ClientSessionCache = certificates.Pool, "a.example.com", sessions
		conn, err := p.dialTLS(listener, c)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		conn.CloseWrite()
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
	}
	say("web", &tls.Config{})
	say("web", &tls.Config{})
	say("web", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}})
	say("raw", &tls.Config{})
	if _, err := p.dialTLS("web", &tls.Config{ServerName: "a.example.com"}); err == nil {
		t.Fatal("the system trusts a test's authority")
	}
	metrics := func() string { _, body := p.get("admin", "/metrics"); return body }
	testkit.Eventually(t, func() bool {
		return strings.Contains(metrics(), `spillway_tls_handshake_failures_total{cause="client_alert",listener="web"} 1`)
	})
	body := metrics()
	for _, want := range []string{
		`spillway_tls_handshakes_total{kind="full",listener="web"} 2`,
		`spillway_tls_handshakes_total{kind="resumed",listener="web"} 1`,
		`spillway_tls_handshakes_total{kind="full",listener="raw"} 1`,
		`spillway_tls_handshake_failures_total{cause="crowded",listener="web"} 0`,
		`spillway_tls_file_reloads_total{listener="web",result="success"} 0`,
		`spillway_tls_certificate_not_after_seconds{cert_file="` + pair.CertFile + `",listener="web"} ` +
			fmt.Sprint(float64(pair.TLS.Leaf.NotAfter.Unix())),
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	p.stop()
	type line struct {
		Listener, Protocol, SNI, Path string
		Version                       string `json:"tls_version"`
		Cipher                        string `json:"tls_cipher"`
	}
	got := make(map[line]int)
	data, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.Lines(string(data)) {
		var l line
		if err := json.Unmarshal([]byte(s), &l); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
		if strings.HasPrefix(l.Cipher, "TLS_AES_") {
			l.Cipher = "TLS_AES" // which one depends on the machine
		}
		got[l]++
	}
	want := map[line]int{
		{"web", "HTTP", "a.example.com", "/path", "TLS 1.3", "TLS_AES"}:                                       2,
		{"web", "HTTP", "a.example.com", "/path", "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}: 1,
		{"raw", "TCP", "a.example.com", "", "TLS 1.3", "TLS_AES"}:                                             1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the access log has %v, want %v", got, want)
	}
}

// A cookie that is set over TLS is not to be shown without.
func TestAffinityCookiesOverTLSAreSecure(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	web := named(t, "a")
	file := secured(certificates.Server("127.0.0.1"), web, web, "") + `
[[service]]
name = "kept"
session_affinity = "GENERATED_COOKIE"
endpoints = ["` + web + `"]
[[listener]]
name = "plain"
listen = "127.0.0.1:0"
service = "kept"
`
	p := run(t, strings.Replace(file, `service  = "web"`, `service  = "kept"`, 1))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificates.Pool}}}
	defer client.CloseIdleConnections()
	for url, secure := range map[string]bool{
		"https://" + p.ListenAddr("web").String():  true,
		"http://" + p.ListenAddr("plain").String(): false,
	} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if set := resp.Cookies(); len(set) != 1 || set[0].Secure != secure {
			t.Errorf("%s: Set-Cookie: %q", url, resp.Header["Set-Cookie"])
		}
	}
}

// A PROXY header comes before TLS, and counts for what is inside.
func TestAProxyHeaderComesBeforeTLS(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n"
	certificates := testkit.NewCertificates(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"))
	}))
	defer s.Close()
	file := secured(certificates.Server("a.example.com"), s.Listener.Addr().String(), hears(t), "")
	file = strings.ReplaceAll(file, "[listener.tls]", "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\n[listener.tls]")
	p := run(t, file+"proxy_protocol = \"V1\"\n") // of the last service, which is raw
	for name, split := range map[string]int{"in one piece": 0, "in two": 10, "apart from the ClientHello": len(header)} {
		for listener, want := range map[string]string{"web": "192.0.2.1", "raw": header + "GET /"} {
			below, err := net.Dial("tcp", p.ListenAddr(listener).String())
			if err != nil {
				t.Fatal(err)
			}
			below.SetDeadline(time.Now().Add(10 * time.Second))
			first := &prefixed{Conn: below, first: header}
			if split > 0 {
				io.WriteString(below, header[:split])
				time.Sleep(10 * time.Millisecond) // so that it comes alone
				first.first = header[split:]
			}
			c := tls.Client(first, &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			c.CloseWrite()
			got, err := io.ReadAll(c)
			if err != nil || !strings.Contains(string(got), want) {
				t.Errorf("%s, header %s: got %q, %v", listener, name, got, err)
			}
			c.Close()
		}
	}
	if _, err := p.dialTLS("web", &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"}); err == nil {
		t.Error("served without a header")
	}
}

// prefixed sends something ahead of what is written first.
type prefixed struct {
	net.Conn
	first string
}

func (c *prefixed) Write(p []byte) (int, error) {
	n := len(c.first)
	k, err := c.Conn.Write(append([]byte(c.first), p...))
	c.first = ""
	return max(k-n, 0), err
}

func TestWeightsAreReportedOverHTTPSToo(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	reports := func(name, weight string) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Load-Balancing-Endpoint-Weight", weight)
			io.WriteString(w, name)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = only(certificates.Server("127.0.0.1"))
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	check := fmt.Sprintf("type = 'HTTPS'\n[service.tls]\nca_file = %q", certificates.CAFile)
	p := run(t, strings.Replace(fmt.Sprintf(weightFile, reports("a", "100"), reports("b", "300"), reports("c", "0"), check),
		`name = "w"`, "name = \"w\"\nprotocol = \"SSL\"", 1))
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("last seen: %s", got)
		}
	}()
	testkit.Eventually(t, func() bool { got = p.weights("w"); return got == "REPORTED, 100 0.25, 300 0.75, 0 0 WEIGHT_0" })
}
