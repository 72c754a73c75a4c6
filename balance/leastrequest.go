package balance

import (
	"math"
	"math/bits"
)

const (
	// maxChoices is the most samples a pick takes; gRPC's A48 has the same cap.
	maxChoices = 10
	// scanAll is the longest list of which every endpoint is looked at.
	scanAll = 8
)

// LeastRequest returns the policy LEAST_REQUEST: look at a few endpoints and take
// the one with the fewest active leases (spec.md §4.3). The few are choices
// distinct endpoints drawn at random, and up to 8 endpoints are all looked at.
// Ties are broken at random. A choices of 0 is [DefaultChoices]; others are
// brought into the range from 2 to 10.
//
// When shares differ, the first endpoint is drawn by share, and another takes
// the place of the best so far if with this request it would be no fuller than
// that is without, an endpoint's fullness being active^bias/share:
//
//	(active_c+1)^bias / share_c  ≤  active_b^bias / share_b
//
// So while all are idle, shares are exact; under load it is the active leases
// that are spread by share; and between the two it goes over smoothly. Envoy
// gives each endpoint the rate share/(active+1)^bias instead, which has the same
// aim and the same meaning of bias: 1 is the default, less heeds load less, and
// with 0 load does not count, unless shares are equal. A bias below 0, or not a
// number, is 0.
//
// Failures count as active leases for a while, see [Load.Burden]: who fails fast
// has few, and is not to win by that.
func LeastRequest(choices int, bias float64) Policy {
	if choices == 0 {
		choices = DefaultChoices
	}
	choices = min(max(choices, 2), maxChoices)
	if !(bias > 0) {
		bias = 0
	}
	return func(c []Candidate) Picker {
		in := pickable(c)
		switch {
		case len(in) == 0:
			return nobody{}
		case equalShares(in):
			return &leastRequest{contenders: contendersOf(in, 1), samples: samplesOf(in, choices)}
		case bias == 0:
			return newRandom(c)
		default:
			return &weightedLeastRequest{
				leastRequest: leastRequest{contenders: contendersOf(in, bias), samples: samplesOf(in, choices)},
				shares:       newAliasTable(in),
			}
		}
	}
}

// samplesOf is at how many of the list a pick looks.
func samplesOf(in []Candidate, choices int) int {
	if len(in) <= max(scanAll, choices) {
		return len(in)
	}
	return choices
}

// leastRequest is the picker for equal shares.
type leastRequest struct {
	contenders []contender
	samples    int
	dice       *dice
}

func (p *leastRequest) use(d *dice) { p.dice = d }

// A contender has what a comparison needs side by side, so that looking at an
// endpoint touches this and its Load only.
type contender struct {
	load     *Load
	size     float64 // share^(1/bias)
	endpoint *Endpoint
}

// contendersOf prepares the comparison. Taking the root of the shares here saves
// raising the loads to a power in each pick:
//
//	(a+1)^bias/w ≤ b^bias/v   is   (a+1)·v^(1/bias) ≤ b·w^(1/bias)
//
// With bias 1 the products are whole numbers and exact below 2⁵³. Otherwise sizes
// are relative to the largest, and kept away from 0, which a small bias would
// take them to: an idle endpoint is not to be equal to a full one.
func contendersOf(in []Candidate, bias float64) []contender {
	var largest uint32
	for _, c := range in {
		largest = max(largest, c.Share)
	}
	list := make([]contender, len(in))
	for i, c := range in {
		size := float64(c.Share)
		if bias != 1 {
			size = max(math.Pow(size/float64(largest), 1/bias), 1e-300)
		}
		load := c.Load
		if load == nil {
			load = new(Load) // nobody counts: always idle
		}
		list[i] = contender{load, size, c.Endpoint}
	}
	return list
}

func (p *leastRequest) Pick(Request) *Endpoint {
	if p.samples == len(p.contenders) {
		return p.scan()
	}
	r := p.dice.roll()
	first, r := bits.Mul64(r, uint64(len(p.contenders)))
	best := &p.contenders[first]
	active := best.load.Active()
	if best.load.penalized() {
		active += p.penalty(best.load)
	}
	// Samples come in random order, so keeping the first of equals is fair.
	s := sampler{n: len(p.contenders), random: r, dice: p.dice}
	s.exclude(int(first))
	for s.taken < p.samples {
		c := &p.contenders[s.next()]
		a := c.load.Active()
		if c.load.penalized() {
			a += p.penalty(c.load)
		}
		if a < active {
			best, active = c, a
		}
	}
	return best.endpoint
}

// penalty is what Load.Burden has beside Active, of an endpoint that has one. It wears
// out by being looked at. Asking before the call keeps that out of most picks.
func (p *leastRequest) penalty(l *Load) int64 { return l.wear(p.dice.roll()) }

// scan takes the least of all, each of equals with the same chance.
func (p *leastRequest) scan() *Endpoint {
	var equals [maxChoices]uint8
	n := uint64(0)
	least := int64(math.MaxInt64)
	for i := range p.contenders {
		load := p.contenders[i].load
		a := load.Active()
		if load.penalized() {
			a += p.penalty(load)
		}
		if a < least {
			least, n = a, 0
		}
		if a == least {
			equals[n] = uint8(i)
			n++
		}
	}
	i, _ := bits.Mul64(p.dice.roll(), n)
	return p.contenders[equals[i]].endpoint
}

// weightedLeastRequest is the picker for shares that differ.
type weightedLeastRequest struct {
	leastRequest
	shares aliasTable
}

func (p *weightedLeastRequest) Pick(Request) *Endpoint {
	first := p.shares.draw(p.dice.roll())
	best := &p.contenders[first]
	active := best.load.Active()
	if best.load.penalized() {
		active += p.penalty(best.load)
	}
	if active == 0 {
		return best.endpoint // nobody can be emptier
	}
	s := sampler{n: len(p.contenders), random: p.dice.roll(), dice: p.dice}
	s.exclude(first)
	for s.taken < p.samples {
		c := &p.contenders[s.next()]
		a := c.load.Active()
		if c.load.penalized() {
			a += p.penalty(c.load)
		}
		if float64(a+1)*best.size <= float64(active)*c.size {
			best, active = c, a
		}
	}
	return best.endpoint
}

// A sampler draws distinct indexes below n, each of those left with the same
// chance, at most maxChoices in all. It never draws again: the k-th is a number
// below n−k that steps over those already taken.
type sampler struct {
	n      int
	random uint64
	dice   *dice
	taken  int
	seen   [maxChoices]uint32 // ascending
}

func (s *sampler) next() int {
	if s.taken%2 == 0 {
		s.random = s.dice.roll() // one number is good for two indexes
	}
	i, rest := bits.Mul64(s.random, uint64(s.n-s.taken))
	s.random = rest
	return s.exclude(int(i))
}

// exclude takes the i-th of the indexes that are left, and returns it.
func (s *sampler) exclude(i int) int {
	at := 0
	for at < s.taken && int(s.seen[at]) <= i {
		at++
		i++
	}
	copy(s.seen[at+1:s.taken+1], s.seen[at:s.taken])
	s.seen[at] = uint32(i)
	s.taken++
	return i
}
