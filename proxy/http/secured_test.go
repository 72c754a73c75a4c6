package http_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// plain has the addresses of endpoints that speak without TLS. Others among a
// test's are such as nobody answers at.
var plain sync.Map

// secured puts TLS in front of plain endpoints, and returns where it is and how to
// reach it. Ends, resets and silence pass through it as they are.
func secured(t *testing.T, addrs []string) (fronts []string, s *proxy.EndpointTLS) {
	t.Helper()
	makeIdentities(t)
	config := &tls.Config{Certificates: []tls.Certificate{identities.endpoint}}
	for _, a := range addrs {
		if _, ok := plain.Load(a); ok {
			a = cover(t, a, config)
		}
		fronts = append(fronts, a)
	}
	return fronts, &proxy.EndpointTLS{Roots: identities.roots, NextProtos: []string{"http/1.1"}}
}

// cover puts TLS in front of one endpoint.
func cover(t *testing.T, addr string, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				client := netio.Wrap(c)
				endpoint, err := netio.Dial(ctx, addr, 0)
				if err != nil {
					client.Abort()
					return
				}
				client = netio.TLSServer(client, config)
				r := relay.New(client, endpoint, relay.Options{Stats: new(proxy.Stats)})
				defer context.AfterFunc(ctx, func() { r.Cut("the test is over") })()
				_ = client.Handshake() // an error comes again
				r.Run()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		all.Wait()
	})
	return l.Addr().String()
}

// notSecured are promises whose tests need to know the endpoint, by what keeps
// them from meeting it through another.
var notSecured = map[string]string{
	"bulk through a tunnel arrives whole":             "it looks for spliced bytes",
	"a connection closed while idle is not used":      "it knows when the endpoint has closed",
	"endpoints may have any kind of address":          "only some of those have TLS in front",
	"a reset of an idle connection harms nobody":      "it knows when the endpoint has reset",
	"the access log has one line for each request":    "it knows the address of the endpoint",
	"no descriptor for an endpoint is nobody's fault": "the front has none, either",
}

func (d driver) mayKeep(t *testing.T, p promise) {
	if why := notSecured[p.name]; d.toTLS && why != "" {
		t.Skip(why)
	}
}
