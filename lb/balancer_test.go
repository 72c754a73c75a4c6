package lb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

func TestMain(m *testing.M) {
	testkit.SetUnderRace("rapid.checks", "30")
	testkit.LeakCheck(m)
}

func newBalancer(t *testing.T, o lb.Options) *lb.Balancer {
	t.Helper()
	b, err := lb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pick takes a lease and fails the test if there is none.
func pick(t *testing.T, b *lb.Balancer, r lb.Request) lb.Lease {
	t.Helper()
	l, err := b.Pick(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// spread picks n times and counts by ID.
func spread(t *testing.T, b *lb.Balancer, n int) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for range n {
		l := pick(t, b, lb.Request{Key: rand.Uint64(), Keyed: true})
		got[l.Endpoint.ID]++
		l.Done(lb.Success)
	}
	return got
}

func status(t *testing.T, b *lb.Balancer, id string) lb.EndpointStatus {
	t.Helper()
	for _, g := range b.Status().Groups {
		for _, e := range g.Endpoints {
			if e.ID == id {
				return e
			}
		}
	}
	t.Fatalf("status has no endpoint %q", id)
	return lb.EndpointStatus{}
}

func TestUsableWithoutRun(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(4), HealthCheck: &health.Check{}})
	got := spread(t, b, 400)
	for id, n := range got {
		if n != 100 {
			t.Errorf("%s was picked %d times, want 100", id, n)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d endpoints were picked, want 4", len(got))
	}
}

func TestOptionsAreRefusedWithEveryReason(t *testing.T) {
	_, err := lb.New(lb.Options{
		PanicThreshold: 101,
		Groups: []lb.Group{
			{Name: "g", Endpoints: []balance.Endpoint{{ID: "a"}, {}}},
			{Name: "g", Endpoints: []balance.Endpoint{{Addr: "a"}}},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"panic threshold 101", `group "g" is listed twice`, "neither ID nor Addr", `ID "a" is used twice`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.HasPrefix(line, "lb: ") {
			t.Errorf("a line that is no reason: %q", line)
		}
	}
}

func TestWeightLeftOutEverywhereIsOne(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: []balance.Endpoint{{Addr: "a"}, {Addr: "b"}}})
	if got := spread(t, b, 100); got["a"] != 50 || got["b"] != 50 {
		t.Errorf("got %v", got)
	}
	if err := b.SetEndpoints([]balance.Endpoint{{Addr: "a"}, {Addr: "b", Weight: 2}}); err != nil {
		t.Fatal(err)
	}
	if got := spread(t, b, 100); got["b"] != 100 {
		t.Errorf("got %v: weight 0 beside others takes nothing", got)
	}
}

func TestSetEndpointsKeepsWhatIsKnownByID(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(3)})
	held := pick(t, b, lb.Request{Sticky: "e1"})
	pick(t, b, lb.Request{Sticky: "e1"}).Done(lb.Failure)
	if err := b.SetAdmin("e2", lb.Drain); err != nil {
		t.Fatal(err)
	}
	moved := endpoints(3)
	moved[1].Addr, moved[1].Weight = "elsewhere:1", 7
	if err := b.SetEndpoints(moved); err != nil {
		t.Fatal(err)
	}
	got := status(t, b, "e1")
	if got.Active != 1 || got.Requests != 2 || got.Failures != 1 || got.Weight != 7 || got.Addr != "elsewhere:1" {
		t.Errorf("got %+v", got)
	}
	if got := status(t, b, "e2"); got.Admin != lb.Drain {
		t.Errorf("the operator's word is gone: %+v", got)
	}
	held.Done(lb.Success)
	if got := status(t, b, "e1"); got.Active != 0 {
		t.Errorf("a lease from before ended, and %d are active", got.Active)
	}
}

func TestEndpointThatComesBackWhileInUseKeepsItsCounters(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: []balance.Endpoint{{ID: "a", Max: 1}, {ID: "b"}}})
	held := pick(t, b, lb.Request{Sticky: "a"})
	for _, set := range [][]balance.Endpoint{{{ID: "b"}}, {{ID: "a", Max: 1}, {ID: "b"}}} {
		if err := b.SetEndpoints(set); err != nil {
			t.Fatal(err)
		}
	}
	if got := spread(t, b, 10); got["a"] != 0 {
		t.Errorf("a is full with a lease from before, and got %d more", got["a"])
	}
	held.Done(lb.Success)
	if got := spread(t, b, 10); got["a"] == 0 {
		t.Error("a is free and gets nothing")
	}
}

func TestRoundRobinGoesOnAcrossSnapshots(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(5)})
	got := make(map[string]int)
	for i := range 100 {
		l := pick(t, b, lb.Request{})
		got[l.Endpoint.ID]++
		l.Done(lb.Success)
		// Two kinds of change: the same set again, and a new policy value.
		if i%2 == 0 {
			if err := b.SetEndpoints(endpoints(5)); err != nil {
				t.Fatal(err)
			}
		} else if err := b.SetOptions(lb.Options{Policy: balance.RoundRobin(), Endpoints: endpoints(5)}); err != nil {
			t.Fatal(err)
		}
	}
	for id, n := range got {
		if n != 20 {
			t.Errorf("%s got %d of 100 picks, want 20: %v", id, n, got)
		}
	}
}

func TestDrainTakesNobodyNewAndKeepsSessions(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(2)})
	must(t, b.SetAdmin("e0", lb.Drain))
	if got := spread(t, b, 20); got["e0"] != 0 {
		t.Errorf("a draining endpoint got %d picks", got["e0"])
	}
	if l := pick(t, b, lb.Request{Sticky: "e0"}); l.Endpoint.ID != "e0" {
		t.Error("a session left the draining endpoint")
	}
	must(t, b.SetAdmin("e0", lb.Down))
	if l := pick(t, b, lb.Request{Sticky: "e0"}); l.Endpoint.ID != "e1" {
		t.Error("a session stayed on an endpoint that is down")
	}
	must(t, b.SetAdmin("e1", lb.Down))
	if _, err := b.Pick(context.Background(), lb.Request{}); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("got %v, want ErrNoEndpoint", err)
	}
	if err := b.SetAdmin("nobody", lb.Ready); err == nil {
		t.Error("an unknown endpoint was set")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAvoidIsObeyedUntilNobodyIsLeft(t *testing.T) {
	for _, name := range balance.Names() {
		policy, _ := balance.Lookup(name)
		b := newBalancer(t, lb.Options{Policy: policy, Endpoints: endpoints(40)})
		r := lb.Request{Key: 42, Keyed: true}
		seen := make(map[string]bool)
		for range 40 {
			l := pick(t, b, r)
			if seen[l.Endpoint.ID] {
				t.Fatalf("%s: %s was to be avoided", name, l.Endpoint.ID)
			}
			seen[l.Endpoint.ID] = true
			r.Avoid = append(r.Avoid, l.Endpoint)
			l.Done(lb.Neutral)
		}
		if _, err := b.Pick(context.Background(), r); !errors.Is(err, lb.ErrNoEndpoint) {
			t.Errorf("%s: got %v, want ErrNoEndpoint", name, err)
		}
	}
}

// A reload between two tries makes a new value of an endpoint that changed. It is
// the same endpoint all the same.
func TestAvoidIsObeyedAcrossSnapshots(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(2)})
	first := pick(t, b, lb.Request{Sticky: "e0"})
	first.Done(lb.Failure)
	heavier := endpoints(2)
	heavier[0].Weight, heavier[1].Weight = 9, 1
	must(t, b.SetEndpoints(heavier))
	for range 20 {
		l := pick(t, b, lb.Request{Avoid: []*balance.Endpoint{first.Endpoint}})
		l.Done(lb.Success)
		if l.Endpoint.ID == "e0" {
			t.Fatal("e0 was picked again, which is to be avoided")
		}
	}
	must(t, b.SetEndpoints(heavier[:1]))
	if _, err := b.Pick(context.Background(), lb.Request{Avoid: []*balance.Endpoint{first.Endpoint}}); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("got %v with nobody else left", err)
	}
}

func TestFullEndpointsPassRequestsOn(t *testing.T) {
	for _, name := range balance.Names() {
		policy, _ := balance.Lookup(name)
		set := endpoints(30)
		for i := range set {
			set[i].Max = 2
		}
		b := newBalancer(t, lb.Options{Policy: policy, Endpoints: set})
		var leases []lb.Lease
		for range 60 {
			leases = append(leases, pick(t, b, lb.Request{Key: 7, Keyed: true}))
		}
		if _, err := b.Pick(context.Background(), lb.Request{Key: 7, Keyed: true}); !errors.Is(err, lb.ErrSaturated) {
			t.Errorf("%s: got %v, want ErrSaturated", name, err)
		}
		leases[17].Done(lb.Success)
		if l := pick(t, b, lb.Request{Key: 7, Keyed: true}); l.Endpoint != leases[17].Endpoint {
			t.Errorf("%s: the one free slot was not found", name)
		}
	}
}

func TestPickAfterRunIsRefused(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(2)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, b.Run(ctx))
	if _, err := b.Pick(context.Background(), lb.Request{}); !errors.Is(err, lb.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := b.Pick(context.Background(), lb.Request{Sticky: "e0"}); !errors.Is(err, lb.ErrClosed) {
		t.Errorf("sticky: got %v, want ErrClosed", err)
	}
	b.Status()
	if err := b.Run(ctx); err == nil {
		t.Error("Run ran twice")
	}
}

func TestShareActualIsComparedSinceSharesChanged(t *testing.T) {
	set := endpoints(2)
	set[0].Weight, set[1].Weight = 3, 1
	b := newBalancer(t, lb.Options{Endpoints: set})
	spread(t, b, 400)
	if e := status(t, b, "e0"); e.ShareExpected != 0.75 || e.ShareActual != 0.75 {
		t.Errorf("got %+v, want 0.75 and 0.75", e)
	}
	must(t, b.SetAdmin("e0", lb.Drain))
	if e := status(t, b, "e1"); e.ShareExpected != 1 || e.ShareActual != 0 {
		t.Errorf("after the change: got %+v, want 1 expected and 0 so far", e)
	}
	spread(t, b, 10)
	if e := status(t, b, "e1"); e.ShareActual != 1 {
		t.Errorf("got %+v, want 1", e)
	}
}

func TestRunFollowsHealth(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()

	log := new(testkit.Buffer)
	b := newBalancer(t, lb.Options{
		Name:      "web",
		Log:       testkit.Logger(log),
		Endpoints: []balance.Endpoint{{ID: "a", Addr: addr}, {ID: "b", Addr: other.Addr().String()}},
		HealthCheck: &health.Check{
			Type: health.TypeTCP, CheckInterval: 20 * time.Millisecond, Timeout: 20 * time.Millisecond,
		},
	})
	if b.Checked() {
		t.Error("checked before Run")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	is := func(id string, want health.Status) {
		t.Helper()
		testkit.Eventually(t, func() bool { return status(t, b, id).Health == want })
	}
	is("a", health.Healthy)
	is("b", health.Healthy)
	if !b.Checked() {
		t.Error("not checked although both are healthy")
	}
	l.Close()
	testkit.Eventually(t, func() bool { e := status(t, b, "a"); return isIll(e) && strings.Contains(e.Reason, "refused") })
	for range 10 {
		l, err := b.Pick(ctx, lb.Request{})
		if err != nil { // on a busy machine b may look ill, too
			continue
		}
		if l.Endpoint.ID == "a" {
			t.Error("an unhealthy endpoint was picked")
		}
		l.Done(lb.Success)
	}
	// At another address the endpoint is another: its health is not known.
	again, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer again.Close()
	must(t, b.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: again.Addr().String()}, {ID: "b", Addr: other.Addr().String()}}))
	is("a", health.Healthy)
	if st := b.Status(); st.ChecksPassed == 0 || st.ChecksFailed == 0 {
		t.Errorf("checks were not counted: %+v", st)
	}
	cancel()
	must(t, <-done)
	s := log.String()
	if !strings.Contains(s, "endpoint=a") || !strings.Contains(s, "to=UNHEALTHY") && !strings.Contains(s, "to=TIMEOUT") {
		t.Errorf("log: %s", s)
	}
}

// isIll reports whether checks find that the endpoint is not well. Where it refuses,
// and the machine is busy, the check that decides may have run into its timeout.
func isIll(e lb.EndpointStatus) bool {
	return e.Health == health.Unhealthy || e.Health == health.Timeout
}

// TestChangesWhilePicking applies random changes while goroutines pick, and
// checks after each what must always hold.
func TestChangesWhilePicking(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const limit = 3
	set := func() []balance.Endpoint {
		var out []balance.Endpoint
		for _, e := range endpoints(12) {
			if e.Max = limit; rng.IntN(4) > 0 {
				e.Weight = uint32(rng.IntN(4))
				out = append(out, e)
			}
		}
		return out
	}
	b := newBalancer(t, lb.Options{Endpoints: set()})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { pickUntil(t, b, &stop, uint64(i)) })
	}
	version := b.Snapshot().Version
	for range 300 {
		switch rng.IntN(3) {
		case 0:
			must(t, b.SetEndpoints(set()))
		case 1:
			_ = b.SetAdmin(fmt.Sprintf("e%d", rng.IntN(12)), lb.Admin(rng.IntN(3))) // it may not be there
		case 2:
			policy, _ := balance.Lookup(balance.Names()[rng.IntN(3)])
			must(t, b.SetOptions(lb.Options{Policy: policy, Endpoints: set()}))
		}
		s := b.Snapshot()
		if s.Version < version {
			t.Fatalf("version fell from %d to %d", version, s.Version)
		}
		version = s.Version
		for _, c := range s.Candidates {
			// Active may look at a bad moment; not a thousand times.
			n := c.Load.Active()
			for range 1000 {
				n = min(n, c.Load.Active())
			}
			if n < 0 || n > limit {
				t.Fatalf("%s holds %d leases, limit %d", c.ID, n, limit)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	for _, c := range b.Snapshot().Candidates {
		if n := c.Load.Active(); n != 0 {
			t.Errorf("%s holds %d leases after all were given back", c.ID, n)
		}
	}
}

func pickUntil(t *testing.T, b *lb.Balancer, stop *atomic.Bool, key uint64) {
	for !stop.Load() {
		s := b.Snapshot()
		l, err := b.Pick(context.Background(), lb.Request{Key: key, Keyed: true})
		key = key*6364136223846793005 + 1
		if err != nil {
			continue
		}
		// Only if nothing was published in between can s be held against l.
		if b.Snapshot() == s {
			for _, c := range s.Candidates {
				if c.Endpoint == l.Endpoint && c.Share == 0 {
					t.Errorf("%s was picked with share 0", c.ID)
				}
			}
		}
		l.Done(lb.Success)
	}
}

// TestBurstOfChangesIsFewSnapshots: whoever waits for the writer has its change
// applied with the others'.
func TestBurstOfChangesIsFewSnapshots(t *testing.T) {
	building, release := make(chan struct{}), make(chan struct{})
	var builds atomic.Int64
	policy := func(c []balance.Candidate) balance.Picker {
		if builds.Add(1) == 2 {
			close(building)
			<-release
		}
		return balance.RoundRobin()(c)
	}
	b := newBalancer(t, lb.Options{Policy: policy, Endpoints: endpoints(100)})
	var wg sync.WaitGroup
	drain := func(id string) {
		if err := b.SetAdmin(id, lb.Drain); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { drain("e0") })
	<-building
	for i := 1; i < 99; i++ {
		wg.Go(func() { drain(fmt.Sprintf("e%d", i)) })
	}
	testkit.Eventually(t, func() bool { return waitingForTheWriter() == 98 })
	close(release)
	wg.Wait()
	if n := builds.Load(); n != 3 {
		t.Errorf("99 changes took %d builds, want one each for the start, the first and the rest", n)
	}
	if got := b.Snapshot(); got.Candidates[50].Share != 0 {
		t.Error("a change is missing")
	}
}

// waitingForTheWriter counts who has put a change in the inbox and waits until the
// writer is done. Only their stacks tell.
func waitingForTheWriter() (n int) {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		head, frames, _ := strings.Cut(stack, "\n")
		if strings.Contains(head, "[sync.Mutex.Lock") && strings.Contains(frames, "lb.(*Balancer).write(") && !strings.Contains(frames, "lb.(*inbox)") {
			n++
		}
	}
	return n
}
