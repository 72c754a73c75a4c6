package simulate

import (
	"math/rand/v2"
	"time"
)

// An Arrival is a request, or a connection, that comes in.
type Arrival struct {
	At time.Duration // since the beginning
	// Took is how long it was under way, where that is known; negative: the
	// endpoint's model says it.
	Took time.Duration
	// Key is the affinity key of who sent it, if Keyed.
	Key   uint64
	Keyed bool
}

// Arrivals come in the order of time.
type Arrivals interface {
	// Next is false when there are no more.
	Next() (Arrival, bool)
}

// Demand makes arrivals of a curve.
type Demand struct {
	Curve Curve
	// Until is when it ends. Default: the end of the curve.
	Until time.Duration
	// Poisson: they come independently of each other, as those of many clients
	// do. Default: evenly.
	Poisson bool
	// Keys are those of the clients, each equally busy. Default: requests have no
	// keys.
	Keys []uint64
	// Seed is of all that is random.
	Seed uint64
}

// Arrivals begins at the curve's beginning. Its error says what is wrong with
// d.
func (d Demand) Arrivals() (Arrivals, error) {
	if err := d.Curve.validate(); err != nil {
		return nil, err
	}
	if d.Until == 0 {
		d.Until = d.Curve.End()
	}
	g := &generator{schedule: schedule{curve: d.Curve}, d: d}
	g.gaps = rand.New(rand.NewPCG(d.Seed, streamGaps))
	g.clients = rand.New(rand.NewPCG(d.Seed, streamClients))
	return g, nil
}

// The streams of random numbers of one seed, so that what one of them is used
// for changes nothing about the others.
const (
	streamGaps = iota + 1
	streamClients
	streamTimes
	streamChecks
)

type generator struct {
	schedule
	d             Demand
	gaps, clients *rand.Rand
	began         bool
}

func (g *generator) Next() (Arrival, bool) {
	at, ok := g.advance(g.gap())
	if !ok || !(at < g.d.Until.Seconds()) { // the next of a very small rate is beyond all durations
		return Arrival{}, false
	}
	t := time.Duration(at * float64(time.Second))
	if t >= g.d.Until {
		return Arrival{}, false
	}
	a := Arrival{At: t, Took: -1}
	if n := len(g.d.Keys); n > 0 {
		a.Key, a.Keyed = g.d.Keys[g.clients.IntN(n)], true
	}
	return a, true
}

// gap is by how many requests' worth of demand the next one is behind the last.
// Even ones begin at half a request, so that a rate times a time is their number
// to the one.
func (g *generator) gap() float64 {
	if g.d.Poisson {
		return g.gaps.ExpFloat64()
	}
	if !g.began {
		g.began = true
		return 0.5
	}
	return 1
}

// A Recording is arrivals that are known, in the order of time.
type Recording []Arrival

// Arrivals begins at the first.
func (r Recording) Arrivals() Arrivals { return &replay{r} }

type replay struct{ left Recording }

func (r *replay) Next() (Arrival, bool) {
	if len(r.left) == 0 {
		return Arrival{}, false
	}
	a := r.left[0]
	r.left = r.left[1:]
	return a, true
}
