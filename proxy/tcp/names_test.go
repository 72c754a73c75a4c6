package tcp_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

// Names are resolved elsewhere, and a loop goes on meanwhile.
func TestEndpointsMayHaveNames(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		named := func(addr string) string {
			_, port, _ := net.SplitHostPort(addr)
			return "localhost:" + port
		}
		b := setup(t, d, nil, named(nobody(t)), named(endpoint(t, echo)))
		for range 2 {
			c := b.dial()
			c.Write([]byte("x"))
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}
		b.settled()
		if n := b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load(); n == 0 {
			t.Error("nobody has tried the one that refuses")
		}
	})
}

func TestNamesThatDoNotResolveArePassedOver(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, "nobody.invalid:1")
		b.wantRefusal()
		r := b.settled()
		if cause, _ := r[0]["cause"].(string); !strings.HasPrefix(cause, "dns") && cause != "destination_unavailable" {
			t.Errorf("cause %q", cause)
		}
	})
}
