package lb_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// Whoever falls ill, recovers, is drained or let back while time passes: nobody's
// warmth shrinks while he stays well, somebody in use is always warm, while only time
// passes a key that is where it belongs stays there, and in the end every key is.
func TestPropertiesOfWarmUp(t *testing.T) {
	for _, name := range []string{"MAGLEV", "RING_HASH"} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			w := newKitchen(t, map[string]balance.Policy{"MAGLEV": balance.Maglev(251), "RING_HASH": balance.RingHash(256, 0)}[name])
			t.Repeat(map[string]func(*rapid.T){
				"":       w.check,
				"time":   w.pass,
				"health": w.changeHealth,
				"admin":  w.changeAdmin,
			})
			for _, id := range w.ids {
				w.set(t, id, health.Healthy, lb.Ready)
			}
			w.now = w.now.Add(time.Hour)
			w.b.Sweep()
			for key, owner := range w.owners() {
				if owner != w.home[key] {
					t.Fatalf("all are warm: key %d is with %s instead of %s", key, owner, w.home[key])
				}
			}
		}))
	}
}

// A kitchen is a service with keys, where it warms up.
type kitchen struct {
	b    *lb.Balancer
	now  time.Time
	ids  []string
	home []string           // by key: whose it is when all are warm
	warm map[string]float64 // what was seen last, of those that have been well since
}

func newKitchen(t *rapid.T, policy balance.Policy) *kitchen {
	w := &kitchen{now: time.Unix(1e9, 0), warm: make(map[string]float64)}
	var list []balance.Endpoint
	for i := range rapid.IntRange(2, 6).Draw(t, "endpoints") {
		e := balance.Endpoint{ID: fmt.Sprintf("e%d", i), Addr: "x:1", Weight: rapid.Uint32Range(1, 5).Draw(t, "weight")}
		list, w.ids = append(list, e), append(w.ids, e.ID)
	}
	b, err := lb.New(lb.Options{
		Policy: policy, Endpoints: list, Now: func() time.Time { return w.now },
		SlowStart: &lb.SlowStart{
			Window:     time.Duration(rapid.IntRange(1, 60).Draw(t, "window")) * time.Second,
			Aggression: rapid.Float64Range(0.2, 5).Draw(t, "aggression"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.b = b
	w.home = w.owners()
	return w
}

// owners are whom keys belong to now; "" while there is nobody.
func (w *kitchen) owners() []string {
	s, out := w.b.Snapshot(), make([]string, 200)
	for key := range out {
		if e := s.Owner(uint64(key+1) * 0x9e3779b97f4a7c15); e != nil {
			out[key] = e.ID
		}
	}
	return out
}

func (w *kitchen) check(t *rapid.T) {
	some, warmest := false, 0.0
	for _, e := range w.b.Status().Groups[0].Endpoints {
		if e.Warm <= 0 || e.Warm > 1 {
			t.Fatalf("warmth of %s is %v", e.ID, e.Warm)
		}
		if e.Standing == lb.InUse {
			some, warmest = true, max(warmest, e.Warm)
		}
		if was, ok := w.warm[e.ID]; ok && e.Standing == lb.InUse && e.Warm < was {
			t.Fatalf("warmth of %s was %v and is %v", e.ID, was, e.Warm)
		}
		delete(w.warm, e.ID)
		if e.Standing == lb.InUse {
			w.warm[e.ID] = e.Warm
		}
	}
	if some && warmest < 1 {
		t.Fatalf("nobody is warm, the furthest has %v", warmest)
	}
}

func (w *kitchen) pass(t *rapid.T) {
	before := w.owners()
	for range rapid.IntRange(1, 20).Draw(t, "seconds") {
		w.now = w.now.Add(time.Second)
		w.b.Sweep()
		for key, owner := range w.owners() {
			if before[key] == w.home[key] && owner != w.home[key] {
				t.Fatalf("key %d has left %s, where it belongs, for %s", key, before[key], owner)
			}
			before[key] = owner
		}
	}
}

func (w *kitchen) changeHealth(t *rapid.T) {
	id := rapid.SampledFrom(w.ids).Draw(t, "endpoint")
	to := rapid.SampledFrom([]health.Status{health.Healthy, health.Healthy, health.Unhealthy, health.Timeout}).Draw(t, "health")
	if to != health.Healthy {
		delete(w.warm, id)
	}
	if err := w.b.SetHealth(id, to, ""); err != nil {
		t.Fatal(err)
	}
}

func (w *kitchen) changeAdmin(t *rapid.T) {
	id := rapid.SampledFrom(w.ids).Draw(t, "endpoint")
	if err := w.b.SetAdmin(id, rapid.SampledFrom([]lb.Admin{lb.Ready, lb.Ready, lb.Drain}).Draw(t, "word")); err != nil {
		t.Fatal(err)
	}
}

func (w *kitchen) set(t *rapid.T, id string, h health.Status, a lb.Admin) {
	if err := w.b.SetHealth(id, h, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.b.SetAdmin(id, a); err != nil {
		t.Fatal(err)
	}
}
