package soak_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// Streams: TCP, and TLS that is passed through by name.
func TestSoakStreams(t *testing.T) {
	var ca *testkit.Certificates
	soakEach(t, traffic{
		plant: func(t *testing.T, s *soak) plant {
			ca = testkit.NewCertificates(t)
			return s.streamPlant(ca)
		},
		client: func(s *soak, number int) func() {
			c := &streamClient{newClient(s, number), &tls.Config{RootCAs: ca.Pool}, tls.NewLRUClientSessionCache(0)}
			return c.run
		},
		seen: []string{"steady together in-order", "TLS", "operator"},
		rare: []string{
			"steady up-first in-order", "steady down-first in-order", "steady echoed in-order",
			"steady together client-resets", "steady together endpoint-resets", "wild together in-order", "idle silent in-order",
			"named together in-order", "half a hello", "endpoints told", "knocks",
		},
	})
}

func (s *soak) streamPlant(ca *testkit.Certificates) plant {
	named := s.serveTLS(&tls.Config{Certificates: []tls.Certificate{ca.Server("soak.example", "*.wild.example").TLS}})
	secure := secureListener(ca.Server("*.example"))
	return plant{
		services: []service{
			{"steady", 4, s.serveStream, nil}, {"wild", 4, s.serveStream, nil}, {"idle", 2, s.serveStream, nil}, {"named", 2, named, nil},
		},
		randomFile: func(o *operator) string { return o.streamFrame() + secure + o.streamServices() },
		restFile:   func(o *operator) string { return o.streamFrame() + secure + o.emptyServices() },
	}
}

// secureListener takes TLS off, and has a route for each service but steady.
func secureListener(pair testkit.Pair) string {
	const file = `[[listener]]
name = "secure"
listen = "127.0.0.1:0"
protocol = "SSL"
service = "steady"
[listener.tls]
certificates = [{ cert_file = %q, key_file = %q }]
[[listener.route]]
sni = "wild.example"
service = "wild"
[[listener.route]]
sni = "idle.example"
service = "idle"
`
	return fmt.Sprintf(file, pair.CertFile, pair.KeyFile)
}

// streamServices have some of the endpoints and a policy each.
func (o *operator) streamServices() (services string) {
	for _, s := range o.services {
		services += o.streamService(s.name)
	}
	return services
}

func (o *operator) streamFrame() string {
	file := fmt.Sprintf(`[log]
level = %q
access = %q
[admin]
listen = "127.0.0.1:0"
[proxy]
engine = %q
drain_timeout = "20s"
`, oneOf(o.r, "warn", "info", "debug"), *soakAccess, o.engine)
	for _, name := range []string{"steady", "wild", "idle"} {
		file += tcpListener(name, name)
	}
	file += tcpListener("behind", "steady") + "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\n"
	file += tcpListener("names", "steady") + `client_timeout = "3s"
[[listener.route]]
sni = "soak.example"
service = "named"
[[listener.route]]
sni = "*.wild.example"
service = "named"
`
	return file
}

func tcpListener(name, service string) string {
	return fmt.Sprintf("[[listener]]\nname = %q\nlisten = \"127.0.0.1:0\"\nprotocol = \"TCP\"\nservice = %q\n", name, service)
}

// streamService is a service as it may be: what must not suffer gets time enough.
func (o *operator) streamService(name string) string {
	timeout := time.Duration(120+o.r.IntN(60)) * time.Second
	switch name {
	case "wild":
		timeout = time.Duration(300+o.r.IntN(5000)) * time.Millisecond
	case "idle":
		timeout = time.Duration(200+o.r.IntN(300)) * time.Millisecond
	}
	header := oneOf(o.r, "NONE", "V1", "V2")
	if name == "named" {
		header = "NONE" // whoever speaks TLS there has no ear for it
	}
	s := fmt.Sprintf("[[service]]\nname = %q\ntimeout = %q\nproxy_protocol = %q\nendpoints = [%s]\n%s", name, timeout, header, o.list(name), o.policy(name))
	if name == "steady" && o.r.IntN(2) == 0 {
		s += "[service.health_check]\ntype = \"TCP\"\ncheck_interval = \"1s\"\nunhealthy_threshold = 10\n"
	}
	if name == "wild" && o.r.IntN(2) == 0 {
		s += "[service.health_check]\ntype = \"TCP\"\ncheck_interval = \"50ms\"\nhealthy_threshold = 1\n"
	}
	return s
}
