package app_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// nginx is another program's TLS: its session tickets come when it likes, and it
// closes connections after so many requests.
func TestNginxIsReachedOverTLS(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	certs := testkit.NewCertificates(t)
	addr := testkit.FreeAddr(t)
	ip, _, _ := net.SplitHostPort(addr)
	pair := certs.Server(ip)
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server {
		listen %[2]s ssl;
		ssl_certificate %[3]s;
		ssl_certificate_key %[4]s;
		ssl_verify_client on;
		ssl_client_certificate %[5]s;
		ssl_protocols TLSv1.3;
		keepalive_requests 7;
		location / { return 200 "$ssl_protocol $ssl_session_reused"; }
	}
}
`, dir, addr, pair.CertFile, pair.KeyFile, certs.CAFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "-p", dir, "-c", file)
	said := new(testkit.Buffer)
	server.Stdout, server.Stderr = said, said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	testkit.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	own := certs.Client("proxy")
	p := run(t, fmt.Sprintf(`
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
protocol = "HTTPS"
endpoints = ["%s"]
tls = { ca_file = %q, cert_file = %q, key_file = %q }
health_check = { check_interval = "1s" }
`, addr, certs.CAFile, own.CertFile, own.KeyFile))
	testkit.Eventually(t, func() bool { return p.Balancer("web").Checked() })
	resumed := 0
	for range 30 {
		status, body := p.get("web", "/")
		if status != 200 || body != "TLSv1.3 ." && body != "TLSv1.3 r" {
			t.Fatalf("got %d %q\n%s\n%s", status, body, said.String(), p.log.String())
		}
		if body == "TLSv1.3 r" {
			resumed++
		}
	}
	if resumed < 20 {
		t.Errorf("%d of 30 requests came in a resumed session", resumed)
	}
}
