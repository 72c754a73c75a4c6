package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

const (
	tcpListener = `
[[listener]]
name     = "in"
listen   = ":8080"
protocol = "TCP"
service  = "db"
`
	clientSource = tcpListener + `
[[service]]
name      = "db"
endpoints = ["10.0.2.2:80"]
source    = "CLIENT"
connect_timeout = "2s"
`
	original = `
[[service]]
name               = "db"
endpoints          = ["10.0.2.2:80", "10.0.2.3:80", "[fd00:0:0:2::2]:80"]
locality_lb_policy = "ORIGINAL_DESTINATION"
connect_timeout = "2s"
`
	transparent = "transparent = true\n"
)

// everywhere runs a test with either kind of rules and either engine.
func everywhere(t *testing.T, f func(t *testing.T, n *network, tables, engine string)) {
	for _, tables := range []string{"nftables", "iptables"} {
		for _, engine := range []string{"loop", "stream"} {
			t.Run(tables+"/"+engine, func(t *testing.T) { f(t, newNetwork(t), tables, engine) })
		}
	}
}

func (n *network) wantTold(what, from, to, want string) {
	n.t.Helper()
	if got := n.dial(from, to); got != want {
		n.t.Errorf("%s, %s: told %q, want %q", what, to, got, want)
	}
}

func TestEndpointsSeeTheClientsOwnAddress(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serve("10.0.2.2:80", "[fd00:0:0:2::2]:80")
		n.run(n.proxy, documented(t, "way back, "+tables))
		p := n.start(engine, clientSource)
		p.await(listening)
		for range 3 {
			n.wantTold("a client", n.client, "10.0.1.1:8080", "10.0.1.2 at 10.0.2.2")
		}
		n.wantTold("a client on the proxy's machine", n.proxy, "10.0.1.1:8080", "10.0.1.1 at 10.0.2.2")

		// Those that there is no way back for.
		n.wantTold("an endpoint of the service", n.endpoint, "10.0.2.1:8080", "10.0.2.1 at 10.0.2.2")
		p.await(`address is not kept.* client=10\.0\.2\.2 .*cause=hairpin`)
	})
}

func TestTheClientsAddressIsNotKeptWhereThereIsNoWayBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, cause string }{
		{"proxy", "127.0.0.1:8080", "unroutable"},
		{"client", "[fd00:0:0:1::1]:8080", "family"},
	} {
		t.Run(c.cause, func(t *testing.T) {
			n := newNetwork(t)
			n.serve("10.0.2.2:80")
			n.run(n.proxy, documented(t, "way back, nftables"))
			p := n.start("loop", clientSource)
			p.await(listening)
			n.wantTold(c.cause, strings.Replace(n.client, "client", c.from, 1), c.to, "10.0.2.1 at 10.0.2.2")
			p.await(`address is not kept.*cause=` + c.cause)
		})
	}
}

func TestIPv6ClientsKeepTheirAddressToo(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serve("[fd00:0:0:2::2]:80")
		n.run(n.proxy, documented(t, "way back, "+tables))
		n.start(engine, strings.Replace(clientSource, "10.0.2.2:80", "[fd00:0:0:2::2]:80", 1)).await(listening)
		n.wantTold("a client", n.client, "[fd00:0:0:1::1]:8080", "fd00:0:0:1::2 at fd00:0:0:2::2")
	})
}

func TestEndpointsSeeTheOwnAddressOfUDPClients(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serveUDP("10.0.2.2:53")
		n.serveUDP("[fd00:0:0:2::2]:53")
		n.run(n.proxy, documented(t, "way back, "+tables))
		p := n.start(engine, `
[[listener]]
name     = "in"
listen   = ":53"
protocol = "UDP"
service  = "four"

[[listener]]
name     = "six"
listen   = ":54"
protocol = "UDP"
service  = "six"

[[service]]
name      = "four"
endpoints = ["10.0.2.2:53"]
source    = "CLIENT"

[[service]]
name      = "six"
endpoints = ["[fd00:0:0:2::2]:53"]
source    = "CLIENT"
`)
		p.await(listening)
		for _, c := range []struct{ from, to, want string }{
			{n.client, "10.0.1.1:53", "10.0.1.2 at 10.0.2.2"},
			{n.client, "10.0.1.1:53", "10.0.1.2 at 10.0.2.2"}, // another session of the client
			{n.client, "[fd00:0:0:1::1]:54", "fd00:0:0:1::2 at fd00:0:0:2::2"},
			{n.proxy, "10.0.1.1:53", "10.0.1.1 at 10.0.2.2"},
			{n.endpoint, "10.0.2.1:53", "10.0.2.1 at 10.0.2.2"},
		} {
			if got := n.ask(c.from, c.to); got != c.want {
				t.Errorf("%s asks %s: told %q, want %q", c.from, c.to, got, c.want)
			}
		}
		p.await(`address is not kept.* client=10\.0\.2\.2 .*cause=hairpin`)
	})
}

// Without the lines nothing works, so the tests above show that they are what does.
func TestWithoutTheWayBackThereIsNoConnection(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.serve("10.0.2.2:80")
	p := n.start("loop", strings.Replace(clientSource, `"2s"`, `"300ms"`, 1))
	p.await(listening)
	if got := n.dial(n.client, "10.0.1.1:8080"); !strings.Contains(got, "reset") {
		t.Errorf("told %q", got)
	}
	p.await(`connect failed.*cause=connection_timeout`)
}

func TestRedirectedClientsReachWhomTheyDialed(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serve("10.0.2.2:80", "10.0.2.3:80", "[fd00:0:0:2::2]:80")
		n.run(n.proxy, documented(t, "redirect, "+tables))
		n.start(engine, tcpListener+original).await(listening)
		n.wantReached("10.0.2.1", "fd00:0:0:2::1")
	})
}

func TestClientsThatTPROXYBringsReachWhomTheyDialed(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serve("10.0.2.2:80", "10.0.2.3:80", "[fd00:0:0:2::2]:80")
		n.run(n.proxy, documented(t, "tproxy, "+tables))
		n.start(engine, tcpListener+transparent+original).await(listening)
		n.wantReached("10.0.2.1", "fd00:0:0:2::1")
	})
}

// Neither side can tell that there is a proxy.
func TestATransparentProxyKeepsBothAddresses(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, n *network, tables, engine string) {
		n.serve("10.0.2.2:80", "10.0.2.3:80", "[fd00:0:0:2::2]:80")
		n.run(n.proxy, documented(t, "tproxy, "+tables))
		rules, _, _ := strings.Cut(documented(t, "way back, "+tables), "ip rule")
		n.run(n.proxy, rules)
		n.start(engine, tcpListener+transparent+original+`source = "CLIENT"`).await(listening)
		n.wantReached("10.0.1.2", "fd00:0:0:1::2")
	})
}

// The socket that knows the addresses is below TLS.
func TestATransparentProxyThatSpeaksTLSKeepsBothAddresses(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.serve("10.0.2.2:80", "10.0.2.3:80")
	n.run(n.proxy, documented(t, "tproxy, nftables"))
	rules, _, _ := strings.Cut(documented(t, "way back, nftables"), "ip rule")
	n.run(n.proxy, rules)
	certificates := testkit.NewCertificates(t)
	pair := certificates.Server("db.example")
	n.start("loop", fmt.Sprintf(`
[[listener]]
name        = "in"
listen      = ":8080"
protocol    = "SSL"
transparent = true
service     = "db"
tls         = { certificates = [{ cert_file = %q, key_file = %q }] }
`, pair.CertFile, pair.KeyFile)+original+`source = "CLIENT"`).await(listening)
	for _, ip := range []string{"10.0.2.2", "10.0.2.3"} {
		told := ""
		inside(t, n.client, func() {
			c, err := tls.Dial("tcp", ip+":80", &tls.Config{RootCAs: certificates.Pool, ServerName: "db.example"})
			if err != nil {
				told = err.Error()
				return
			}
			defer c.Close()
			told = readAll(c)
		})
		if want := "10.0.1.2 at " + ip; told != want {
			t.Errorf("%s: told %q, want %q", ip, told, want)
		}
	}
}

// wantReached dials every endpoint, which are to see these addresses, and some that
// are none.
func (n *network) wantReached(seen4, seen6 string) {
	n.t.Helper()
	for range 2 {
		n.wantTold("a client", n.client, "10.0.2.2:80", seen4+" at 10.0.2.2")
		n.wantTold("a client", n.client, "10.0.2.3:80", seen4+" at 10.0.2.3")
		n.wantTold("a client", n.client, "[fd00:0:0:2::2]:80", seen6+" at fd00:0:0:2::2")
	}
	for _, other := range []string{"10.0.2.99:80", "10.0.1.1:8080"} { // no endpoint; the proxy itself
		if got := n.dial(n.client, other); !strings.Contains(got, "reset") {
			n.t.Errorf("%s: told %q, want to be reset", other, got)
		}
	}
}

func TestWhoMayNotBeTransparentIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, key string }{
		{clientSource, `service "db": source = "CLIENT": needs the capability CAP_NET_ADMIN or CAP_NET_RAW`},
		{tcpListener + transparent + original, `listener "in": listen tcp :8080: transparent: needs the capability CAP_NET_ADMIN or CAP_NET_RAW`},
	} {
		n := newNetwork(t)
		for _, engine := range []string{"loop", "stream"} {
			p := n.startWithout("net_admin,net_raw", engine, c.file)
			if code := p.exit(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(strings.ReplaceAll(p.all.String(), `\"`, `"`), c.key) {
				t.Errorf("nothing says %s:\n%s", c.key, p.all)
			}
		}
	}
}
