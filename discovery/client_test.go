package discovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/dnstest"
)

func TestTheEndOfTheCallerEndsAQuestionAtOnce(t *testing.T) {
	s := dnstest.Serve(t)
	asked := make(chan struct{}, 100)
	s.Hook(func(string, *dns.Msg, *dns.Msg) *dns.Msg {
		asked <- struct{}{}
		return nil
	})
	q := discovery.Query{Resolvers: []string{s.Addr}}
	for _, source := range []discovery.Source{discovery.DNS("web.test", "80", q), discovery.SRV("_http._tcp.web.test", q)} {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		go func() {
			<-asked
			cancel()
		}()
		if _, err := source.Look(ctx); err == nil {
			t.Errorf("%v: an answer of a silent server", source)
		}
		// A question alone takes 2s.
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("%v: it took %v", source, took)
		}
	}
}
