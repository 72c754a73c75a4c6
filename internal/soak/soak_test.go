package soak_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

var (
	soakFor    = flag.Duration("soak", time.Second, "how long the traffic of TestSoak runs at least, for each engine")
	soakSeed   = flag.Uint64("seed", 0, "the seed of TestSoak; 0: a random one")
	soakAccess = flag.String("access", os.DevNull, "where the access log of TestSoak goes")
	soakEngine = flag.String("engine", "", "the engine of TestSoak; empty: each that the file may name")
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// clients is how many connections there are at once, more or less.
const clients = 12

// How much more memory may be in use after the traffic than before it: what is
// made once at first use, whether the traffic lasts seconds or hours.
const maxHeapGrowth = 16 << 20

// HTTP/1.1, and beside it a little TCP.
func TestSoak(t *testing.T) {
	soakEach(t, traffic{
		plant:  func(t *testing.T, s *soak) plant { return s.httpPlant() },
		client: func(s *soak, number int) func() { return newClient(s, number).run },
		seen: []string{"steady fine", "closing hangup", "wild cut", "wild reset", "wild garbage", "steady tunnel", "echo tunnel",
			"sessions", "operator"},
	})
}

// A traffic is what a soak is made of.
type traffic struct {
	plant  func(*testing.T, *soak) plant
	client func(s *soak, number int) (run func())
	seen   []string // kinds that are counted in every run
	rare   []string // those that are in one of half a minute
	judge  func()   // says what is wrong with the counts; nil: nobody does
}

// soakEach runs the traffic through each engine.
func soakEach(t *testing.T, f traffic) {
	engines := enginesOf()
	if *soakEngine != "" {
		engines = []string{*soakEngine}
	}
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Logf("%v or longer, -seed %d", *soakFor, seed)
			f.soak(t, engine, seed)
		})
	}
}

// soak runs the traffic through one engine.
func (f traffic) soak(t *testing.T, engine string, seed uint64) {
	s := &soak{t: t, seed: seed}
	o, err := newOperator(s, engine, f.plant(t, s))
	defer o.stopEndpoints()
	if err != nil {
		t.Fatal(err)
	}
	s.proxy = startProxy(t, o.restFile(o))
	defer func() {
		s.proxy.stop()
		err := <-s.proxy.done
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	if err := s.proxy.awaitNoLease(); err != nil { // and the admin API has had its first use
		t.Fatal(err)
	}
	settle()
	before, resets := countResources(), resetsForMemory()
	t.Logf("before: %v", before)

	o.reload(o.randomFile(o))
	f.run(s, o)

	if err := s.proxy.awaitNoLease(); err != nil {
		s.wrong("%v", err)
	}
	o.reload(o.restFile(o))
	after := awaitResources(before)
	o.reload(o.restFile(o)) // which forgets listeners that have left meanwhile
	settle()
	last := countResources()
	after.heap, after.resident = last.heap, last.resident
	t.Logf("at the end\n%v\nafter: %v", &s.tally, after)
	if n := resetsForMemory() - resets; n > 0 {
		t.Logf("meanwhile the system ran out of memory for TCP and reset %d connections, maybe some of ours: repeat this on a machine with less to do", n)
	}
	if !after.noMoreThan(before) {
		s.stuck("more than before is left: %v", after)
	}
	if after.heap-before.heap > maxHeapGrowth || after.resident-before.resident > maxResidentGrowth {
		s.wrong("memory has grown: before %v, after %v", before, after)
	}
	if panics := s.proxy.log.panics.String(); panics != "" {
		s.wrong("the proxy has recovered from a panic:\n%s", panics)
	}
	s.mustHaveSeen(f.seen...)
	if *soakFor >= 30*time.Second {
		s.mustHaveSeen(f.rare...)
	}
	if f.judge != nil {
		f.judge()
	}
}

// muchLonger is how much longer than asked for a machine that is busy may take to
// show everything that is in every run.
const muchLonger = 30 * time.Second

// run lasts as long as it is asked for, and until everything was seen that is in
// every run; it reports meanwhile.
func (f traffic) run(s *soak, o *operator) {
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(f.client(s, i+1))
	}
	wg.Go(o.run)
	report := time.NewTicker(10 * time.Second)
	defer report.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	begin, minutes := time.Now(), 0
	for over := false; !over; {
		select {
		case <-look.C:
			went := time.Since(begin)
			over = went >= *soakFor && len(s.unseen(f.seen)) == 0 || went > *soakFor+muchLonger
		case <-report.C:
			s.t.Logf("at %v\n%v", time.Since(begin).Round(time.Second), &s.tally)
			if m := int(time.Since(begin).Minutes()); m > minutes {
				minutes = m
				settle()
				s.t.Logf("at %v: %v", time.Since(begin).Round(time.Second), countResources())
			}
		}
	}
	s.stop.Store(true)
	wg.Wait()
}

// mustHaveSeen fails a run that proves nothing because nothing happened.
func (s *soak) mustHaveSeen(kinds ...string) {
	if missing := s.unseen(kinds); len(missing) > 0 {
		s.wrong("none of: %s", strings.Join(missing, ", "))
	}
}

// unseen are those of the kinds that have not been counted.
func (s *soak) unseen(kinds []string) (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range kinds {
		if s.counts[kind] == nil {
			missing = append(missing, kind)
		}
	}
	return missing
}
