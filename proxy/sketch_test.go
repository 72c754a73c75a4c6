package proxy_test

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
}

func TestSketchTellsFewSourcesFromMany(t *testing.T) {
	for _, c := range []struct {
		name             string
		sources          int
		least, most, top float64
	}{
		{"one", 1, 1, 1, 1},
		{"two", 2, 1.8, 2.2, 0.5},
		{"ten", 10, 8, 12, 0.1},
		{"three hundred", 300, 200, 450, 0},
		{"more than it has buckets", 60_000, 1500, 8192, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s proxy.Sketch
			r := rand.New(rand.NewPCG(1, 2))
			for range 8000 {
				s.CountAddr(source(r.IntN(c.sources)))
			}
			got := s.Spread()
			if got.Flows != 8000 || got.Effective < c.least || got.Effective > c.most {
				t.Errorf("%d flows, as of %.1f, want %v to %v", got.Flows, got.Effective, c.least, c.most)
			}
			if c.top > 0 && (len(got.Top) == 0 || got.Top[0].Share < 0.8*c.top || got.Top[0].Share > 1.2*c.top) {
				t.Errorf("top %v, want a share of %v", got.Top, c.top)
			}
		})
	}
}

func TestSketchNamesTheBusiestOfMany(t *testing.T) {
	var s proxy.Sketch
	r := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		s.CountAddr(source(r.IntN(5000)))
		s.CountAddr(source(9999))
	}
	got := s.Spread()
	if len(got.Top) != 5 || got.Top[0].Addr != source(9999) || got.Top[0].Share < 0.45 || got.Top[0].Share > 0.51 {
		t.Errorf("%+v, want %v with half of all in front", got.Top, source(9999))
	}
	if got.Effective < 3.5 || got.Effective > 4.5 { // 1 ÷ (½)²
		t.Errorf("as of %.2f, want 4", got.Effective)
	}
}

func TestSketchForgets(t *testing.T) {
	var s proxy.Sketch
	for range 20_000 {
		s.CountAddr(source(1))
	}
	for i := range 80_000 {
		s.CountAddr(source(2 + i%2))
	}
	if got := s.Spread(); got.Effective < 1.8 || got.Effective > 2.2 {
		t.Errorf("as of %.2f after a change, want the two of now", got.Effective)
	}
}

func TestSketchCountsAllOfLittleAndSomeOfMuch(t *testing.T) {
	var s proxy.Sketch
	for i := range 1000 {
		if !s.Due() {
			t.Fatalf("flow %d of few is not counted", i)
		}
		s.Count(uint64(i), netip.Addr{})
	}
	for i := range 1000 {
		s.Count(uint64(i), netip.Addr{})
	}
	due := 0
	for range 16_000 {
		if s.Due() {
			due++
		}
	}
	if due < 700 || due > 1300 {
		t.Errorf("%d of 16000 are counted, want a sixteenth", due)
	}
	if top := s.Spread().Top; len(top) > 0 && top[0].Addr.IsValid() {
		t.Errorf("a key has the address %v", top[0].Addr)
	}
}

func TestSketchOfNothingSaysNothing(t *testing.T) {
	var s proxy.Sketch
	s.CountAddr(netip.Addr{}) // a Unix socket's client
	if got := s.Spread(); got.Flows != 0 || got.Effective != 0 || len(got.Top) != 0 {
		t.Errorf("%+v", got)
	}
	s.CountAddr(source(1))
	if got := s.Spread(); got.Flows != 1 || got.Effective != 1 {
		t.Errorf("%+v of one flow", got)
	}
}

func TestSketchIsReadBesideTraffic(t *testing.T) {
	var s proxy.Sketch
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 5000 {
				if s.Due() {
					s.CountAddr(source(i))
				}
			}
		})
	}
	for range 100 {
		if got := s.Spread(); got.Effective > float64(got.Flows) {
			t.Errorf("%+v", got)
		}
	}
	wg.Wait()
}

func BenchmarkSketchPerFlow(b *testing.B) {
	var s proxy.Sketch
	a := source(1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if s.Due() {
				s.CountAddr(a)
			}
		}
	})
}
