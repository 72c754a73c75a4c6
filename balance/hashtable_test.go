package balance

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveAlternatives says what the alternatives must be: those on the walk that
// take the slot, in order, and then everybody else in order of ID from a place
// that depends on the slot, those that warm up last.
func naiveAlternatives[I index](t *hashTable[I], w walk) []*Endpoint {
	var list []*Endpoint
	at := w.slot
	for range maxWalk {
		i := t.laid[at]
		if e := t.endpoints[i]; len(list) < maxMet && t.accepts(i, w) && !slices.Contains(list, e) {
			list = append(list, e)
		}
		at = (at + w.step) % len(t.laid)
	}
	start, _ := bits.Mul64(mix(w.id), uint64(len(t.endpoints)))
	for _, warm := range []bool{true, false} {
		for k := range t.endpoints {
			i := (int(start) + k) % len(t.endpoints)
			if e := t.endpoints[i]; t.takes[i] > 0 && warm == (t.takes[i] == math.MaxUint64) && !slices.Contains(list, e) {
				list = append(list, e)
			}
		}
	}
	return list
}

// checkHashTable compares every alternative of some slots with the naive list,
// and each slot's heir with its first alternative.
func checkHashTable(t *testing.T, p Picker, random *rand.Rand) {
	t.Helper()
	switch p := p.(type) {
	case *maglevTable[uint16]:
		checkWalks(t, &p.hashTable, p.walkFrom, random)
	case *ring[uint16]:
		checkWalks(t, &p.hashTable, p.walkFrom, random)
	default:
		t.Fatalf("%T is not a hash policy's picker of this size", p)
	}
}

func checkWalks[I index](t *testing.T, table *hashTable[I], walkFrom func(int) walk, random *rand.Rand) {
	t.Helper()
	for range 20 {
		slot := random.IntN(len(table.laid))
		w := walkFrom(slot)
		want := naiveAlternatives(table, w)
		if heir := table.endpoints[table.resolved[slot]]; heir != want[0] {
			t.Fatalf("slot %d has %s, want %s", slot, heir.ID, want[0].ID)
		}
		for k, e := range append(want, nil) {
			if got := table.pick(w, k); got != e {
				t.Fatalf("slot %d: alternative %d of %d is %v, want %v", slot, k, len(want), got, e)
			}
		}
	}
}

func TestHashAlternativesAreTheWalksThenTheRest(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 25 {
		c := randomCandidates(random, 1+random.IntN(60))
		checkHashTable(t, Maglev(1009)(c), random)
		checkHashTable(t, WeightedMaglev(101)(c), random)
		checkHashTable(t, RingHash(256, 4096)(c), random)
	}
}

// randomCandidates has some out, some warming up, some of weight 0, some huge;
// somebody always has a share.
func randomCandidates(random *rand.Rand, n int) []Candidate {
	c := make([]Candidate, n)
	for i, id := range testIDs(n) {
		weight := random.Uint32() >> random.Uint32N(40)
		share := weight
		switch random.IntN(4) {
		case 0:
			share = 0
		case 1:
			share = uint32(random.Uint64N(uint64(weight) + 1))
		}
		c[i] = Candidate{Endpoint: &Endpoint{ID: id, Weight: weight}, Share: share}
	}
	if i := random.IntN(n); c[i].Share == 0 {
		c[i].Endpoint.Weight, c[i].Share = max(1, c[i].Weight), 1
	}
	return c
}

func TestHashTablesOfFullSharesAreNotCopied(t *testing.T) {
	c := sharesOf(1, 2, 3)
	p := Maglev(0)(c).(*maglevTable[uint16])
	if &p.laid[0] != &p.resolved[0] {
		t.Error("nobody is out, but the table is there twice")
	}
	c[1].Share = 0
	p = Maglev(0)(c).(*maglevTable[uint16])
	if &p.laid[0] == &p.resolved[0] {
		t.Error("the laid table was changed")
	}
}

// The two-byte table of the default size fits a core's second-level cache.
func TestMaglevTableIsCompact(t *testing.T) {
	p := Maglev(0)(sharesOf(1, 1, 1)).(*maglevTable[uint16])
	if got := len(p.resolved) * 2; got != 131074 {
		t.Errorf("the table has %d bytes, want 131074", got)
	}
}

// The weight decides who owns a slot, the share only how much of it is taken.
func TestHashWeightZero(t *testing.T) {
	for name, policy := range map[string]Policy{"MAGLEV": Maglev(1009), "WEIGHTED_MAGLEV": WeightedMaglev(1009), "RING_HASH": RingHash(0, 0)} {
		// Beside others a weight of 0 has no keys, but is an alternative while it has a share.
		c := sharesOf(1, 0, 1)
		c[1].Share = 1
		p := policy(c)
		for key := range uint64(2000) {
			q := Request{Key: mix(key), Keyed: true}
			if p.Pick(q) == c[1].Endpoint {
				t.Fatalf("%s: key %d goes to the endpoint of weight 0", name, key)
			}
			if q.Try = 2; p.Pick(q) != c[1].Endpoint {
				t.Fatalf("%s: key %d has no third alternative", name, key)
			}
		}
		// When the others are out it is all there is.
		c[0].Share, c[2].Share = 0, 0
		if e := policy(c).Pick(Request{Key: 5, Keyed: true}); e != c[1].Endpoint {
			t.Errorf("%s: with the others out: %v", name, e)
		}
		// Where nobody has a weight, all count as 1.
		c = sharesOf(0, 0, 0, 0)
		for i := range c {
			c[i].Share = 1
		}
		p = policy(c)
		count := make(map[*Endpoint]int)
		for key := range uint64(8000) {
			count[p.Pick(Request{Key: mix(key), Keyed: true})]++
		}
		for _, c := range c {
			if n := count[c.Endpoint]; n < 1400 || n > 2600 {
				t.Errorf("%s: without weights %s got %d of 8000 keys", name, c.ID, n)
			}
		}
	}
}

func TestTakesIsTheShareOfTheWeight(t *testing.T) {
	const all = math.MaxUint64
	for _, test := range []struct {
		share, weight uint32
		want          uint64
	}{
		{0, 0, 0}, {0, 5, 0}, {5, 5, all}, {6, 5, all}, {1, 0, all},
		{1, 2, 1 << 63}, {3, 4, 3 << 62}, {1, math.MaxUint32, 1<<32 + 1},
	} {
		if got := takes(test.share, test.weight); got != test.want {
			t.Errorf("takes(%d, %d) = %#x, want %#x", test.share, test.weight, got, test.want)
		}
	}
}
