package lb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// tenOf is a service of ten endpoints, of which the last so many are ill.
func tenOf(t *testing.T, o lb.Options, ill int) *play {
	t.Helper()
	if len(o.Groups) == 0 {
		o.Endpoints = named("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	}
	p := newPlay(t, o)
	for i := 10 - ill; i < 10; i++ {
		p.finds(fmt.Sprint(i), health.Unhealthy)
	}
	return p
}

// load sends n requests and returns how many each endpoint got, and under "" how many
// failed.
func (p *play) load(n int, r lb.Request) map[string]int {
	p.t.Helper()
	got := make(map[string]int)
	for range n {
		p.keys = p.keys*6364136223846793005 + 1442695040888963407
		if r.Keyed {
			r.Key = p.keys
		}
		l, err := p.Pick(context.Background(), r)
		if err != nil {
			got[""]++
			if !errors.Is(err, lb.ErrShed) || !errors.Is(err, lb.ErrNoEndpoint) || errors.Is(err, lb.ErrSaturated) {
				p.t.Fatalf("error %v", err)
			}
			continue
		}
		l.Done(lb.Success)
		got[l.Endpoint.ID]++
	}
	return got
}

// TestShedLetsInThePartThatIsWell: in a panic each endpoint gets what it gets when
// all are well, and the ill ones get nothing.
func TestShedLetsInThePartThatIsWell(t *testing.T) {
	for _, c := range []struct {
		name string
		o    lb.Options
		r    lb.Request
	}{
		{"ROUND_ROBIN", lb.Options{}, lb.Request{}},
		{"LEAST_REQUEST", lb.Options{Policy: balance.LeastRequest(0, 1)}, lb.Request{}},
		{"RANDOM", lb.Options{Policy: balance.Random()}, lb.Request{}},
		{"MAGLEV", lb.Options{Policy: balance.Maglev(tableSize)}, lb.Request{Keyed: true}},
		{"sessions", lb.Options{}, lb.Request{Sticky: "1"}},
		{"capacity", lb.Options{Groups: []lb.Group{
			{Name: "a", Endpoints: named("0", "1", "5", "6", "7"), Capacity: rate(10)},
			{Name: "b", Endpoints: named("2", "3", "4", "8", "9"), Capacity: rate(10)},
		}}, lb.Request{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Panic, c.o.PanicThreshold = lb.PanicShed, 50
			const n = 10000
			for _, ill := range []int{5, 6, 7, 9} {
				p := tenOf(t, c.o, ill)
				got := p.load(n, c.r)
				sheds := 0.0
				if ill > 5 {
					sheds = float64(ill) / 10
				}
				if refused := float64(got[""]); refused < sheds*n-3 || refused > sheds*n+3 {
					t.Errorf("%d of 10 ill: %v of %d requests refused", ill, refused, n)
				}
				for i := 10 - ill; i < 10; i++ {
					if id := fmt.Sprint(i); got[id] > 0 {
						t.Errorf("%d of 10 ill: %s, which is, got %d requests", ill, id, got[id])
					}
				}
				st := p.Status()
				if st.Sheds != sheds || st.Shed != uint64(got[""]) || st.Panic != (ill > 5) {
					t.Errorf("%d of 10 ill: panic %v, sheds %v, has shed %d", ill, st.Panic, st.Sheds, st.Shed)
				}
			}
		})
	}
}

// TestShedIsEven looks at every row of requests, and at every second and third: none
// of them fares worse than another.
func TestShedIsEven(t *testing.T) {
	for _, every := range []int{1, 2, 3, 7} {
		p := tenOf(t, lb.Options{Panic: lb.PanicShed, PanicThreshold: 90}, 3)
		const row = 100
		refused, asked := 0, 0
		for i := range 100 * row * every {
			_, err := p.Pick(context.Background(), lb.Request{})
			if i%every != 0 {
				continue
			}
			if err != nil {
				refused++
			}
			if asked++; asked == row {
				if refused < 27 || refused > 33 {
					t.Errorf("of %d requests, each the %d. that came, %d were refused, want 30", row, every, refused)
				}
				refused, asked = 0, 0
			}
		}
	}
}

// TestShedGoesByWeight: who is well counts as much as it can take.
func TestShedGoesByWeight(t *testing.T) {
	list := named("big", "a", "b", "c")
	list[0].Weight = 7
	p := newPlay(t, lb.Options{Endpoints: list, Panic: lb.PanicShed, PanicThreshold: 60})
	p.finds("a", health.Unhealthy)
	p.finds("b", health.Timeout)
	if got := p.load(1000, lb.Request{}); got[""] < 198 || got[""] > 202 {
		t.Errorf("2 of 10 parts are ill: %d of 1000 refused, want 200", got[""])
	}
}

// A request that was let in may be tried again elsewhere.
func TestShedSparesSecondTries(t *testing.T) {
	p := tenOf(t, lb.Options{Panic: lb.PanicShed, PanicThreshold: 50}, 8)
	tried := &balance.Endpoint{ID: "0"}
	if got := p.load(200, lb.Request{Avoid: []*balance.Endpoint{tried}}); got["1"] != 200 {
		t.Errorf("of 200 second tries %v", got)
	}
}

// Who waits was let in: however often it is looked whether he can be served, he is
// not asked again whether he is one of those that a panic sheds.
func TestWhoWaitsIsNotShedAgain(t *testing.T) {
	p := newPlay(t, lb.Options{
		Endpoints: []balance.Endpoint{{ID: "0", Max: 1}, {ID: "1", Max: 1}, {ID: "2", Max: 1}, {ID: "3", Max: 1}},
		Panic:     lb.PanicShed, PanicThreshold: 100, CircuitBreakers: &lb.CircuitBreakers{PendingTimeout: time.Hour},
	})
	for _, id := range []string{"1", "2", "3"} {
		p.finds(id, health.Unhealthy)
	}
	first, err := p.Pick(t.Context(), lb.Request{})
	for errors.Is(err, lb.ErrShed) {
		first, err = p.Pick(t.Context(), lb.Request{})
	}
	must(t, err)
	shed := p.Status().Shed
	over := false
	w, err := p.Enqueue(lb.Request{}, time.Time{}, func() { over = true })
	must(t, err)
	for range 20 {
		p.Sweep()
	}
	if over {
		_, err := w.Leave()
		t.Fatalf("the wait came to %v", err)
	}
	if now := p.Status().Shed; now != shed {
		t.Errorf("of one who waits, %d were shed", now-shed)
	}
	first.Done(lb.Success)
	if l, err := w.Leave(); err != nil || l.Endpoint.ID != "0" {
		t.Errorf("%v, %v", l, err)
	}
}

func TestShedOfNobodyIsNoEndpoint(t *testing.T) {
	p := tenOf(t, lb.Options{Panic: lb.PanicShed}, 10)
	if _, err := p.Pick(context.Background(), lb.Request{}); err != lb.ErrNoEndpoint {
		t.Errorf("error %v, want %v", err, lb.ErrNoEndpoint)
	}
}

// TestPanicIsLoggedAndCounted when it begins and when it ends, in each mode.
func TestPanicIsLoggedAndCounted(t *testing.T) {
	for _, mode := range []lb.PanicMode{lb.PanicClosed, lb.PanicOpen, lb.PanicShed} {
		t.Run(mode.String(), func(t *testing.T) {
			var log bytes.Buffer
			o := lb.Options{Name: "web", Panic: mode, PanicThreshold: 50, Log: slog.New(slog.NewTextHandler(&log, nil))}
			p := tenOf(t, o, 5)
			expect := func(now bool, times uint64, line string) {
				t.Helper()
				if st := p.Status(); st.Panic != now || st.Panics != times || now != st.PanicSince.Equal(p.now) {
					t.Errorf("panic %v, %d so far, since %v; want %v, %d", st.Panic, st.Panics, st.PanicSince, now, times)
				}
				if line == "" && log.Len() > 0 || !strings.Contains(log.String(), line) {
					t.Errorf("log %q, want %q", &log, line)
				}
				log.Reset()
			}
			expect(false, 0, "")
			p.finds("0", health.Timeout)
			expect(true, 1, `level=WARN msg="panic: too few endpoints are healthy" service=web mode=`+mode.String()+" threshold_percent=50 healthy=4 endpoints=10")
			p.finds("1", health.Unhealthy)
			expect(true, 1, "")
			p.finds("0", health.Healthy)
			expect(true, 1, "")
			p.finds("1", health.Healthy)
			expect(false, 1, `msg="panic is over" service=web`)
			for i := range 10 {
				p.finds(fmt.Sprint(i), health.Unhealthy)
			}
			expect(true, 2, "panic: too few")
		})
	}
}

// TestPanicIsAboutWhoIsInUse: the drained have no say, and are not counted in the log.
func TestPanicIsAboutWhoIsInUse(t *testing.T) {
	var log bytes.Buffer
	p := newPlay(t, lb.Options{Endpoints: named("a", "b", "c"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, id := range []string{"b", "c"} {
		if err := p.SetAdmin(id, lb.Drain); err != nil {
			t.Fatal(err)
		}
	}
	p.finds("a", health.Unhealthy)
	if st := p.Status(); !st.Panic || !strings.Contains(log.String(), "healthy=0 endpoints=1 ") {
		t.Errorf("panic %v, log %q", st.Panic, &log)
	}
}

// TestNoPanicWhereThereIsNobody to be healthy, or where another rule decides.
func TestNoPanicWhereThereIsNobody(t *testing.T) {
	p := newPlay(t, lb.Options{})
	if st := p.Status(); st.Panic || st.Panics > 0 {
		t.Error("a service without endpoints panics")
	}
	p.set(named("a"))
	if err := p.SetAdmin("a", lb.Drain); err != nil {
		t.Fatal(err)
	}
	if st := p.Status(); st.Panic || st.Panics > 0 {
		t.Error("a service of which all is drained panics")
	}
	p = tenOf(t, lb.Options{Failover: &lb.Failover{}, Panic: lb.PanicShed, PanicThreshold: 100}, 10)
	if got := p.load(100, lb.Request{}); got["0"] != 10 {
		t.Errorf("with a failover policy all are the last resort: %v", got)
	}
	if st := p.Status(); st.Panic || st.Panics > 0 || st.Sheds > 0 {
		t.Error("a failover policy has its own rule, and no panic")
	}
}

// TestReloadChangesPanicAtOnce: from shed to open and to none.
func TestReloadChangesPanicAtOnce(t *testing.T) {
	o := lb.Options{Panic: lb.PanicShed, PanicThreshold: 50}
	p := tenOf(t, o, 8)
	o.Endpoints = named("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	reload := func() {
		t.Helper()
		if err := p.SetOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	o.Panic = lb.PanicOpen
	reload()
	if got := p.load(100, lb.Request{}); got["9"] != 10 || got[""] > 0 {
		t.Errorf("open: %v", got)
	}
	o.Panic, o.PanicThreshold = lb.PanicShed, 20
	reload()
	if got := p.load(100, lb.Request{}); got["0"] != 50 || got[""] > 0 {
		t.Errorf("below no threshold: %v", got)
	}
	o.PanicThreshold = 30
	reload()
	if got := p.load(1000, lb.Request{}); got[""] < 798 || got[""] > 802 {
		t.Errorf("shed: %v", got)
	}
	if st := p.Status(); st.Panics != 2 {
		t.Errorf("%d panics, want 2", st.Panics)
	}
}
