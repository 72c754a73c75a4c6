package lb_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func TestReloadKeepsEjections(t *testing.T) {
	p := judged(t, 4, health.Outlier{})
	p.ends("e1", 3, lb.GatewayFailure)
	until := p.endpoint("e1").Ejection.Until
	p.pass(time.Second)
	must(t, p.SetOptions(lb.Options{Name: "web", Endpoints: endpoints(5), Outlier: &health.Outlier{BaseEjectionTime: time.Minute}}))
	p.wantOut("after a reload", "e1")
	if got := p.endpoint("e1").Ejection.Until; !got.Equal(until) {
		t.Errorf("until %v, want %v as before", got, until)
	}
	must(t, p.SetEndpoints(endpoints(2)))
	p.wantOut("one of two", "e1")
	moved := endpoints(2)
	moved[1].Addr = "elsewhere:80"
	must(t, p.SetEndpoints(moved))
	p.wantOut("at another address it is another", "")
	p.ends("e1", 2, lb.GatewayFailure)
	p.wantOut("with another's failures behind it", "")
	p.ends("e1", 1, lb.GatewayFailure)
	p.wantOut("with its own", "e1")
	must(t, p.SetOptions(lb.Options{Name: "web", Endpoints: moved}))
	p.wantOut("without outlier detection", "")
	p.ends("e1", 100, lb.GatewayFailure)
	p.wantOut("nor later", "")
}

// Who is another by now is not compared by what came of the one before: counters
// follow the ID, and what they say of an interval must not.
func TestRatesAreOfTheEndpointAsItIs(t *testing.T) {
	half := map[string]int{"e0": 50}
	t.Run("another address", func(t *testing.T) {
		p := judged(t, 6, health.Outlier{})
		p.pass(time.Second)
		p.traffic(half, 6)
		moved := endpoints(6)
		moved[0].Addr = "elsewhere:80"
		must(t, p.SetEndpoints(moved))
		p.sweeps(11 * time.Second)
		p.wantOut("with half of its requests failed, all at the address before", "")
	})
	t.Run("back while it still had leases", func(t *testing.T) {
		p := judged(t, 6, health.Outlier{})
		p.pass(time.Second)
		p.traffic(half, 6)
		held, _ := p.one(lb.Request{Sticky: "e0"})
		must(t, p.SetEndpoints(endpoints(6)[1:]))
		must(t, p.SetEndpoints(endpoints(6)))
		held.Done(lb.Success)
		p.sweeps(11 * time.Second)
		p.wantOut("new, and without a request", "")
	})
	t.Run("outlier detection off for a while", func(t *testing.T) {
		p := judged(t, 6, health.Outlier{})
		p.sweeps(11 * time.Second)
		must(t, p.SetOptions(lb.Options{Name: "web", Endpoints: endpoints(6)}))
		p.traffic(half, 6)
		p.sweeps(20 * time.Second)
		must(t, p.SetOptions(lb.Options{Name: "web", Endpoints: endpoints(6), Outlier: &health.Outlier{}}))
		p.sweeps(11 * time.Second)
		p.wantOut("by what there was while nobody looked", "")
	})
}
