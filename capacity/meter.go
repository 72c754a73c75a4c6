package capacity

import (
	"math"
	"sync/atomic"
)

// A Meter counts requests over the last second, and says which one would exceed
// a rate. It allocates nothing, takes no lock and never waits; any number of
// goroutines may use it. The zero value is ready; a Meter must not be copied.
//
// The second is made of slots, about 4 ms each. What goes into the youngest is
// one word with the sum of all others, so that to compare with the limit and to
// count is one step, and the limit is not exceeded by a single request whoever
// else counts. A slot leaves when all of it is more than a second old: what was
// taken in any second is never more than the limit, and of a steady stream it is
// at most 0.7 % less. Where the limit is small and has a fraction, time goes more
// slowly: 2.5 a second is 3 in 1.2 seconds.
//
// A limit that is reached in the middle of each second would let requests
// through in gusts. So while demand is above the limit, and nine tenths of it
// are taken, every so many requests are refused that what is left fits: those
// taken are spread over the second. That costs up to three percent of the limit,
// and a little more where a small limit meets requests that come at random.
//
// Time is a number of nanoseconds that does not go back, from any beginning.
type Meter struct {
	taken   atomic.Uint64 // low half: in the youngest slot; high half: in all others
	refused atomic.Uint64 // likewise
	excess  atomic.Uint64 // requests that came while it was crowded
	next    atomic.Int64  // when the next slot begins
	pace    atomic.Uint64 // how fast time goes, float64 bits
	busy    atomic.Bool   // somebody advances, and has what follows

	last    int64 // the time of the last Advance
	elapsed int64 // since the beginning, at the pace that it had
	ring    [slots]struct{ taken, refused uint32 }
}

const (
	slotBits  = 22            // a slot is 2²² ns long, 4.2 ms
	slotWidth = 1 << slotBits // ns
	slots     = 240           // 1.0066 s, of which the youngest slot is not all over
	second    = 1e9           // ns

	least   = 1e-6 // a limit below, one in eleven days, takes none
	small   = 64   // a limit below has a pace of its own, and comes in gusts
	crowded = 0.9  // part of the limit from which on requests are spread
	slack   = 1.02 // so much more than fits is let through then, lest it be less

	// What a stall has left free, or a demand that falls, is filled up again in a
	// time constant of 1/refill seconds. Small gaps are left to slack, or gusts would
	// never fade.
	fullEnough = 0.98
	refill     = 6
)

// A Limit is how many requests per second a Meter is to take, with what follows
// from it worked out. The zero value takes none.
type Limit struct {
	perSecond float64
	pace      float64 // how fast time goes
	most      float64 // how many that are in a second of that time
	crowd     float64 // from how many on they are spread
	stride    uint32  // see Stale
}

// LimitOf returns the limit of so many requests per second.
func LimitOf(perSecond float64) Limit {
	l := Limit{perSecond: perSecond, pace: 1, most: math.Floor(perSecond), crowd: crowded * perSecond}
	switch {
	case !(perSecond >= least):
		return Limit{pace: 1}
	case perSecond < small:
		l.most = math.Ceil(perSecond)
		l.pace = perSecond / l.most
		l.crowd = l.most // and then it is full
	case perSecond >= 1<<24:
		l.stride = 1<<16 - 1
	case perSecond >= 512:
		_, exp := math.Frexp(perSecond)
		l.stride = 1<<(exp-9) - 1
	}
	return l
}

// Stale reports whether Advance is due before Take: always for a small limit, and
// for a large one after each 256th part of it. In between, the clock need not be
// read.
func (m *Meter) Stale(l *Limit) bool { return uint32(m.taken.Load())&l.stride == 0 }

// Advance lets go of what is more than a second old. The limit is that of Take.
func (m *Meter) Advance(now int64, l *Limit) {
	if now < m.next.Load() || l.pace == 0 || !m.busy.CompareAndSwap(false, true) {
		return // nothing to do, no limit to do it for, or somebody does it
	}
	m.advance(now, l.pace)
	m.busy.Store(false)
}

func (m *Meter) advance(now int64, pace float64) {
	if now < m.next.Load() {
		return
	}
	at := m.elapsed >> slotBits
	m.elapsed += int64(float64(now-m.last) * pace)
	m.last = now
	m.pace.Store(math.Float64bits(pace))
	left := slotWidth - m.elapsed&(slotWidth-1)
	defer m.next.Store(now + int64(float64(left)/pace))
	slot := m.elapsed >> slotBits
	if slot == at {
		return
	}
	var taken, refused uint64
	for n := at + 1; n <= slot && n < at+slots; n++ {
		old := &m.ring[n%slots]
		taken += uint64(old.taken)
		refused += uint64(old.refused)
		old.taken, old.refused = 0, 0
	}
	all := slot-at >= slots
	m.ring[at%slots].taken = fold(&m.taken, taken, all)
	m.ring[at%slots].refused = fold(&m.refused, refused, all)
}

// fold adds the youngest slot to the others and takes what has left from them. It
// returns what was in the slot, which begins anew. Where all have left nothing
// remains.
func fold(word *atomic.Uint64, left uint64, all bool) uint32 {
	for {
		w := word.Load()
		youngest, others := w&math.MaxUint32, w>>32
		others -= min(left, others)
		if all {
			others, youngest = 0, 0
		}
		if word.CompareAndSwap(w, (others+youngest)<<32) {
			return uint32(youngest)
		}
	}
}

// A Verdict is what Take says of a request.
type Verdict uint8

const (
	// Taken: it was counted.
	Taken Verdict = iota
	// Full: it would exceed the limit, as of the last Advance.
	Full
	// Crowded: it is one of those that are too many, a little before that.
	Crowded
)

// Take counts a request if fewer than the limit were counted in the last second.
// spread says that of too many some are refused early, as above.
func (m *Meter) Take(l *Limit, spread bool) Verdict {
	for {
		w := m.taken.Load()
		taken := float64(w>>32 + w&math.MaxUint32)
		if taken >= l.most {
			return Full
		}
		if taken >= l.crowd && spread {
			if part := m.fits(taken, l); part < 1 && !falls(m.excess.Add(1), part) {
				return Crowded
			}
		}
		if m.taken.CompareAndSwap(w, w+1) {
			return Taken
		}
	}
}

// Would is what Take says, of a request that does not come: nothing is counted.
func (m *Meter) Would(l *Limit, spread bool) Verdict {
	w := m.taken.Load()
	taken := float64(w>>32 + w&math.MaxUint32)
	if taken >= l.most {
		return Full
	}
	if taken >= l.crowd && spread {
		if part := m.fits(taken, l); part < 1 && !falls(m.excess.Load()+1, part) {
			return Crowded
		}
	}
	return Taken
}

// fits is the part of the requests that there is room for, if below 1.
func (m *Meter) fits(taken float64, l *Limit) float64 {
	r := m.refused.Load()
	fit := slack * l.perSecond
	if missing := fullEnough*l.perSecond - taken; missing > 0 {
		fit += refill * missing
	}
	return fit / (taken + float64(r>>32+r&math.MaxUint32))
}

// falls reports whether the nth is one of an evenly spread part of all.
func falls(nth uint64, part float64) bool {
	n := float64(nth)
	return math.Floor(n*part) != math.Floor((n-1)*part)
}

// Force counts a request that goes through in any case.
func (m *Meter) Force() { m.taken.Add(1) }

// Refuse counts a request that went elsewhere.
func (m *Meter) Refuse() { m.refused.Add(1) }

// Undo gives back what was just taken.
func (m *Meter) Undo() { undo(&m.taken) }

// Unrefuse takes back a Refuse just made: the request was taken after all.
func (m *Meter) Unrefuse() { undo(&m.refused) }

func undo(word *atomic.Uint64) {
	for {
		w := word.Load()
		if w&math.MaxUint32 == 0 {
			return // it has moved into an older slot, which a second will free
		}
		if word.CompareAndSwap(w, w-1) {
			return
		}
	}
}

// Rate is how many requests per second were counted, as of the last Advance.
func (m *Meter) Rate() float64 { return m.rate(&m.taken) }

// Demand is Rate with what was refused.
func (m *Meter) Demand() float64 { return m.rate(&m.taken) + m.rate(&m.refused) }

// rate makes a sum of the slots, the youngest being half over, a rate.
func (m *Meter) rate(word *atomic.Uint64) float64 {
	const perSecond = second / ((slots - 0.5) * slotWidth)
	w := word.Load()
	return float64(w>>32+w&math.MaxUint32) * perSecond * math.Float64frombits(m.pace.Load())
}
