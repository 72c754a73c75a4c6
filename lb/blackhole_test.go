package lb_test

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// work under way in virtual time: when it ends, and how.
type ending struct {
	at      time.Time
	lease   lb.Lease
	outcome lb.Outcome
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// clients keep so many requests under way for a while: well ones take as long as
// takes, those of a failing endpoint a millisecond. It returns the part of them that
// failed.
func (p *play) clients(n int, takes time.Duration, failing map[string]lb.Outcome, d time.Duration) float64 {
	p.t.Helper()
	var under endings
	got, failed := 0, 0
	begin := func() {
		l, _ := p.one(lb.Request{})
		e := ending{p.now.Add(takes), l, lb.Success}
		if o, fails := failing[l.Endpoint.ID]; fails {
			e.at, e.outcome = p.now.Add(time.Millisecond), o
			failed++
		}
		got++
		heap.Push(&under, e)
	}
	for range n {
		begin()
	}
	for until := p.now.Add(d); p.now.Before(until); begin() {
		e := heap.Pop(&under).(ending)
		p.pass(max(0, e.at.Sub(p.now)))
		e.lease.Done(e.outcome)
	}
	for _, e := range under {
		e.lease.Done(lb.Neutral)
	}
	return float64(failed) / float64(got)
}

// Pains 3: an endpoint that fails fast is the one with the fewest requests under way,
// and would get nearly all of them. It gets well under its fair share, without any
// outlier detection, whatever the load is, and whether it answers or refuses.
func TestFailingFastDoesNotWinLeastRequest(t *testing.T) {
	weighted := endpoints(3)
	for i := range weighted {
		weighted[i].Weight = uint32(i + 1)
	}
	for name, list := range map[string][]balance.Endpoint{"three": endpoints(3), "twenty": endpoints(20), "two": endpoints(2), "weighted": weighted} {
		for _, clients := range []int{1, 5, 200} {
			for what, o := range map[string]lb.Outcome{"answers 500": lb.Failure, "refuses": lb.ConnectFailure} {
				for _, takes := range []time.Duration{20 * time.Millisecond, time.Second} {
					// Seeded: where few come the limit is five standard deviations of chance, whose tail is long.
					policy := balance.Seeded(balance.LeastRequest(2, 1), 1)
					p := newPlay(t, lb.Options{Endpoints: list, Policy: policy})
					d := 3 * time.Second
					if takes > 100*time.Millisecond {
						d = 40 * time.Second
					}
					part := p.clients(clients, takes, map[string]lb.Outcome{"e0": o}, d)
					// One in a few hundred goes there to find out, or one a second. Where
					// hardly anybody comes, all are idle, and it may get its share.
					fair := 1.0 / float64(len(list))
					rate := float64(clients) / takes.Seconds()
					noise := 4 * math.Sqrt(fair/(rate*d.Seconds()))
					if most := min(fair+noise, fair/3+6/rate); part > most {
						t.Errorf("%s endpoints, %d clients, %v: who %s gets %.1f%% of requests, want at most %.1f%%",
							name, clients, takes, what, 100*part, 100*most)
					}
				}
			}
		}
	}
}

// What failing costs is over soon after.
func TestWhoHasFailedGetsItsShareBack(t *testing.T) {
	p := newPlay(t, lb.Options{Endpoints: endpoints(3), Policy: balance.LeastRequest(2, 1)})
	p.clients(60, 20*time.Millisecond, map[string]lb.Outcome{"e0": lb.Failure}, 10*time.Second)
	p.clients(60, 20*time.Millisecond, nil, 5*time.Second)
	before := p.endpoint("e0").Requests
	all := func() (n uint64) {
		for _, e := range p.Status().Groups[0].Endpoints {
			n += e.Requests
		}
		return n
	}
	allBefore := all()
	p.clients(60, 20*time.Millisecond, nil, 5*time.Second)
	if part := float64(p.endpoint("e0").Requests-before) / float64(all()-allBefore); part < 0.32 || part > 0.35 {
		t.Errorf("five seconds after it has recovered it gets %.1f%%", 100*part)
	}
}

// Where all of them fail nobody is spared, and who recovers first is not overrun.
func TestWhoRecoversFirstIsNotOverrun(t *testing.T) {
	const n, clients = 20, 100
	p := newPlay(t, lb.Options{Endpoints: endpoints(n), Policy: balance.LeastRequest(2, 1)})
	failing := make(map[string]lb.Outcome)
	for i := range n {
		failing[fmt.Sprintf("e%d", i)] = lb.Failure
	}
	p.clients(clients, 20*time.Millisecond, failing, time.Second)
	delete(failing, "e7")
	var most int64
	for range 8 {
		p.clients(clients, 20*time.Millisecond, failing, 100*time.Millisecond)
		most = max(most, p.endpoint("e7").Active)
	}
	var under []lb.Lease
	for range clients {
		l, err := p.Pick(context.Background(), lb.Request{})
		if err != nil {
			t.Fatal(err)
		}
		under = append(under, l)
	}
	if held := p.endpoint("e7").Active; held > clients/2 {
		t.Errorf("the one of %d that has recovered holds %d of %d requests", n, held, clients)
	}
	for _, l := range under {
		l.Done(lb.Neutral)
	}
}

// A rotation over two endpoints of which one is dead: each request that meets it goes
// to the other one next, and takes its turn, so that the next one meets the dead one
// again. Connect failures eject it, and its retries are over.
func TestEjectionEndsTheRetriesOfARotation(t *testing.T) {
	run := func(o *health.Outlier) (first int) {
		p := newPlay(t, lb.Options{Endpoints: endpoints(2), Outlier: o})
		for range 100 {
			l, _ := p.one(lb.Request{})
			if l.Endpoint.ID == "e0" {
				first++
				again, _ := p.one(lb.Request{Avoid: []*balance.Endpoint{l.Endpoint}})
				l.Done(lb.ConnectFailure)
				l = again
			}
			l.Done(lb.Success)
		}
		return first
	}
	if n := run(nil); n < 50 {
		t.Errorf("without outlier detection %d of 100 begin at the dead one: then this test tests nothing", n)
	}
	if n := run(&health.Outlier{}); n != 3 {
		t.Errorf("with outlier detection %d of 100 begin at the dead one, want 3", n)
	}
}
