//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// What people use to look at a server works with it. A program that is not there
// is skipped.
func TestToolsOfOthersSpeakTLSWithIt(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), " for ", r.Host)
	}))
	defer endpoint.Close()
	certificates := testkit.NewCertificates(t)
	pair, me := certificates.Server("a.example.com", "127.0.0.1"), certificates.Client("me")
	rsa := certificates.Issue(testkit.CertificateRequest{Names: []string{"a.example.com"}, RSA: true})
	path := filepath.Join(t.TempDir(), "spillway.toml")
	file := fmt.Sprintf(`
[[listener]]
name = "web"
listen = "127.0.0.1:0"
protocol = "HTTPS"
service = "web"
[listener.tls]
certificates = [{ cert_file = %q, key_file = %q }, { cert_file = %q, key_file = %q }]

[[listener]]
name = "mutual"
listen = "127.0.0.1:0"
protocol = "SSL"
service = "raw"
[listener.tls]
certificates = [{ cert_file = %[1]q, key_file = %[2]q }]
min_version = "1.3"
client_auth = "REQUIRE"
client_ca_file = %[5]q

[[service]]
name = "web"
endpoints = [%[6]q]

[[service]]
name = "raw"
protocol = "TCP"
endpoints = [%[6]q]
`, pair.CertFile, pair.KeyFile, rsa.CertFile, rsa.KeyFile, certificates.CAFile, endpoint.Listener.Addr().String())
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "run", path)
	web := p.await(`listener=web .*address=(\S+)`)
	mutual := p.await(`listener=mutual .*address=(\S+)`)
	_, port, _ := net.SplitHostPort(web)
	trust := []string{"--cacert", certificates.CAFile}

	t.Run("curl", func(t *testing.T) {
		site := []string{"--resolve", "a.example.com:" + port + ":127.0.0.1", "https://a.example.com:" + port + "/"}
		for name, more := range map[string][]string{
			"as it comes": nil,
			"TLS 1.2":     {"--tls-max", "1.2"},
			"RSA":         {"--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"},
		} {
			if got := tool(t, "", append(append(append([]string{"curl", "-sS"}, trust...), more...), site...)...); got != "https for a.example.com:"+port {
				t.Errorf("%s: got %q", name, got)
			}
		}
		if got := tool(t, "", "curl", "-sS", "http://"+web+"/"); !strings.Contains(got, "speaks HTTPS") {
			t.Errorf("plain HTTP: got %q", got)
		}
		with := append(trust, "--cert", me.CertFile, "--key", me.KeyFile, "https://"+mutual+"/")
		if got := tool(t, "", append([]string{"curl", "-sS"}, with...)...); got != " for "+mutual {
			t.Errorf("with a client certificate: got %q", got)
		}
	})
	t.Run("openssl", func(t *testing.T) {
		request := "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		line := []string{"openssl", "s_client", "-connect", web, "-CAfile", certificates.CAFile, "-servername", "a.example.com", "-verify_return_error", "-ign_eof"}
		for name, tc := range map[string]struct {
			more []string
			want []string
		}{
			"TLS 1.3": {nil, []string{"TLSv1.3", "Verify return code: 0 (ok)"}},
			"TLS 1.2": {[]string{"-tls1_2"}, []string{"TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"}},
			"ALPN":    {[]string{"-alpn", "h2,http/1.1"}, []string{"ALPN protocol: http/1.1"}},
		} {
			got := tool(t, request, append(line, tc.more...)...)
			for _, want := range append(tc.want, "https for a") {
				if !strings.Contains(got, want) {
					t.Errorf("%s: %q is not in\n%s", name, want, got)
				}
			}
		}
	})
	t.Run("sslscan", func(t *testing.T) {
		got := tool(t, "", "sslscan", "--no-colour", "--sni-name=a.example.com", web)
		for _, want := range []string{
			"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled",
			"TLSv1.2   enabled", "TLSv1.3   enabled", "Session renegotiation not supported",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
		for line := range strings.Lines(got) {
			if f := strings.Fields(line); len(f) > 4 && (f[0] == "Accepted" || f[0] == "Preferred") &&
				!strings.HasPrefix(f[4], "TLS_") && !(strings.HasPrefix(f[4], "ECDHE") && (strings.Contains(f[4], "GCM") || strings.Contains(f[4], "CHACHA"))) {
				t.Errorf("offered: %s", line)
			}
		}
	})
}

// tool runs a program with this input and returns what it prints.
func tool(t *testing.T, input string, line ...string) string {
	t.Helper()
	if _, err := exec.LookPath(line[0]); err != nil {
		t.Skipf("%s is not installed", line[0])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	in, err := cmd.StdinPipe() // left open: an end would end some of them
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(in, input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	return string(out)
}
