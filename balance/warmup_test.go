package balance

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

var hashPolicies = map[string]Policy{
	"MAGLEV": Maglev(1009), "WEIGHTED_MAGLEV": WeightedMaglev(1009), "RING_HASH": RingHash(512, 4096),
}

// TestFineSharesMoveNoKey: that warm-up is counted finely is nobody's business.
func TestFineSharesMoveNoKey(t *testing.T) {
	for name, policy := range hashPolicies {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			weights := rapid.SliceOfN(rapid.Uint32Range(1, 1000).Filter(func(w uint32) bool { return w%Fine != 0 }), 1, 300).Draw(t, "weights")
			if rapid.Bool().Draw(t, "equal") {
				for i := range weights {
					weights[i] = weights[0]
				}
			}
			coarse, fine := sharesOf(weights...), make([]Candidate, len(weights))
			for i, c := range coarse {
				e := *c.Endpoint
				e.Weight *= Fine
				fine[i] = Candidate{Endpoint: &e, Share: e.Weight}
			}
			if moved, ok := Moved(policy(coarse), policy(fine)); moved != 0 || !ok {
				t.Fatalf("%v of the keys move", moved)
			}
		}))
	}
}

// TestWarmUpTakesKeysForGood lets many warm up at once, each at its own pace. What
// one has of the keys that are its own in the end it keeps; those of the others it
// never has; and in the end all is as it would have been without.
func TestWarmUpTakesKeysForGood(t *testing.T) {
	for name, policy := range hashPolicies {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) { warmsUpForGood(t, policy) }))
	}
}

func warmsUpForGood(t *rapid.T, policy Policy) {
	n := rapid.IntRange(2, 30).Draw(t, "n")
	c := make([]Candidate, n)
	warm := rapid.IntRange(0, n-1).Draw(t, "warm")
	warming := make([]bool, n)
	for i, id := range testIDs(n) {
		weight := Fine * rapid.Uint32Range(1, 20).Draw(t, "weight")
		c[i] = Candidate{Endpoint: &Endpoint{ID: id, Weight: weight}, Share: weight}
		switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
		case i == warm || kind == 0:
		case kind == 1:
			c[i].Share = 0
		default:
			warming[i] = true
		}
	}
	keys := make([]uint64, 500)
	for i := range keys {
		keys[i] = mix(uint64(i))
	}
	owner := func(c []Candidate) []*Endpoint {
		p, owners := policy(append([]Candidate(nil), c...)), make([]*Endpoint, len(keys))
		for i, key := range keys {
			owners[i] = p.Pick(Request{Key: key, Keyed: true})
		}
		return owners
	}
	end := owner(c)
	settled := make(map[*Endpoint]bool)
	for i := range c {
		settled[c[i].Endpoint] = c[i].Share > 0 && !warming[i]
	}
	has := make([]bool, len(keys))
	part := make([]uint32, n)
	for step := 0; ; step++ {
		done := true
		for i := range c {
			if warming[i] {
				part[i] = min(Fine, part[i]+rapid.Uint32Range(1, Fine/2).Draw(t, "step"))
				c[i].Share = c[i].Weight / Fine * part[i]
				done = done && part[i] == Fine
			}
		}
		now := owner(c)
		for i, e := range now {
			switch {
			case has[i] && e != end[i]:
				t.Fatalf("step %d: key %#x was with %s, where it belongs, and went to %s", step, keys[i], end[i].ID, e.ID)
			case settled[end[i]] && e != end[i]:
				t.Fatalf("step %d: key %#x of %s, which is warm, is with %s", step, keys[i], end[i].ID, e.ID)
			case done && e != end[i]:
				t.Fatalf("all are warm: key %#x is with %s instead of %s", keys[i], e.ID, end[i].ID)
			}
			has[i] = e == end[i]
		}
		if done {
			return
		}
	}
}

// TestWarmingIsNobodysLastResort: whom a walk does not meet comes after all who are
// warm, so that a slot without takers nearby does not fall to somebody cold.
func TestWarmingIsNobodysLastResort(t *testing.T) {
	const n = 400
	c := make([]Candidate, n)
	for i := range c {
		c[i] = Candidate{Endpoint: &Endpoint{ID: fmt.Sprintf("e%03d", i), Weight: Fine}}
		switch {
		case i == 7:
			c[i].Share = Fine
		case i%100 == 0:
			c[i].Share = 1
		}
	}
	for name, policy := range hashPolicies {
		p, cold := policy(c), 0
		for i := range uint64(5000) {
			if e := p.Pick(Request{Key: mix(i), Keyed: true}); e != c[7].Endpoint {
				cold++
			}
		}
		// Four, each of which takes 1/251 of what it is offered.
		if cold > 5000/20 {
			t.Errorf("%s: of 5000 keys %d are with endpoints that take 1 of 251", name, cold)
		}
	}
}
