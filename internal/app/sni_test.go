package app_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

const byName = `
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
%s
%s
[[service]]
name = "a"
endpoints = [%q]
[[service]]
name = "b"
endpoints = [%q]
`

// secret runs a TLS endpoint that greets with its name.
func secret(t *testing.T, ca *testkit.Certificates, name string) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.Server(name).TLS}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "this is %s\n", name)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// OpenSSL's client verifies whom it has reached: the proxy cannot be in between.
func TestOpenSSLReachesTheEndpointOfTheNameItAsksFor(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	ca := testkit.NewCertificates(t)
	a, b := secret(t, ca, "a.example"), secret(t, ca, "b.example")
	p := run(t, fmt.Sprintf(byName, `service = "a"`, `route = [{ sni = "b.example", service = "b" }]`, a, b))
	ask := func(name string) string {
		out, _ := exec.Command(openssl, "s_client", "-connect", p.ListenAddr("in").String(), "-servername", name,
			"-CAfile", ca.CAFile, "-verify_return_error", "-verify_hostname", name, "-quiet").CombinedOutput()
		return string(out)
	}
	for _, name := range []string{"a.example", "b.example"} {
		if got := ask(name); !strings.Contains(got, "this is "+name) {
			t.Errorf("%s: %s", name, got)
		}
	}
	p.reload(fmt.Sprintf(byName, "", `route = [{ sni = "a.example", service = "a" }]`, a, b))
	if got := ask("a.example"); !strings.Contains(got, "this is a.example") {
		t.Errorf("after a reload: %s", got)
	}
	if got := ask("b.example"); strings.Contains(got, "this is") {
		t.Errorf("a name that no route has any more: %s", got)
	}
}

func TestAReloadTakesRoutesAwayFromATCPListener(t *testing.T) {
	a := plain(t, "a")
	p := run(t, fmt.Sprintf(byName, "", `route = [{ sni = "b.example", service = "b" }]`, a, a))
	hello := func() string {
		c, err := net.Dial("tcp", p.ListenAddr("in").String())
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		io.WriteString(c, "no TLS")
		got, _ := io.ReadAll(c)
		return string(got)
	}
	if got := hello(); strings.Contains(got, "this is") {
		t.Errorf("without a service: %q", got)
	}
	p.reload(fmt.Sprintf(byName, `service = "a"`, "", a, a))
	if got := hello(); got != "this is a" {
		t.Errorf("without routes: %q", got)
	}
}

// plain runs an endpoint that greets with its name once it was spoken to.
func plain(t *testing.T, name string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 100))
			io.WriteString(c, "this is "+name)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func TestSSLListenersHaveRoutesByName(t *testing.T) {
	ca := testkit.NewCertificates(t)
	pair := ca.Server("*.example")
	p := run(t, fmt.Sprintf(strings.Replace(byName, `"TCP"`, `"SSL"`, 1), "",
		fmt.Sprintf("route = [{ sni = \"a.example\", service = \"a\" }, { sni = \"*.example\", service = \"b\" }]\n[listener.tls]\ncertificates = [{ cert_file = %q, key_file = %q }]",
			pair.CertFile, pair.KeyFile), plain(t, "a"), plain(t, "b")))
	ask := func(name string) string {
		c, err := tls.Dial("tcp", p.ListenAddr("in").String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "hello")
		got, _ := io.ReadAll(c)
		return string(got)
	}
	for name, want := range map[string]string{"a.example": "this is a", "B.example": "this is b", "a.other": "", "": ""} {
		if got := ask(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
