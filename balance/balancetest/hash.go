package balancetest

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

func equalBuilds(t *testing.T, p balance.Policy) {
	for _, weights := range [][]uint32{{1, 1, 1}, {5, 1, 3, 0, 2}} {
		a, b := answers(p(Candidates(weights...)), keys), answers(p(Candidates(weights...)), keys)
		for i := range a {
			if a[i].ID != b[i].ID {
				t.Fatalf("weights %d: key %#x goes to %s here and to %s there", weights, key(i), a[i].ID, b[i].ID)
			}
		}
	}
}

func unkeyed(t *testing.T, p balance.Policy) {
	picker := p(equal(3))
	count := make(counter)
	for range 3000 {
		count[picker.Pick(balance.Request{Key: 42})]++
	}
	for e, n := range count {
		if n < 500 {
			t.Errorf("%s got %d of 3000 picks without a key", e.ID, n)
		}
	}
	if len(count) != 3 {
		t.Errorf("3000 picks without a key met %d of 3 endpoints", len(count))
	}
}

func removal(t *testing.T, p balance.Policy) {
	for _, n := range []int{2, 5, 10, 50} {
		c := equal(n)
		before := answers(p(c), keys)
		for _, gone := range []int{0, n / 2, n - 1} {
			after := answers(p(without(c, gone)), keys)
			moved, owned := 0, 0
			for i := range before {
				if before[i] != after[i] {
					moved++
				}
				if before[i] == c[gone].Endpoint {
					owned++
				}
			}
			if moved < owned || moved > 3*keys/n {
				t.Errorf("removing %s of %d moved %d of %d keys; it had %d", c[gone].ID, n, moved, keys, owned)
			}
		}
	}
}

func outage(t *testing.T, p balance.Policy) {
	c := Candidates(1, 1, 2, 1, 3, 1, 1, 5)
	before := answers(p(c), keys)
	for out := range c {
		picker := p(withShare(c, out, 0))
		heirs := make(map[*balance.Endpoint]bool)
		for i, e := range answers(picker, keys) {
			if before[i] == c[out].Endpoint {
				heirs[e] = true
			} else if e != before[i] {
				t.Fatalf("with %s out, key %#x moved from %s to %s", c[out].ID, key(i), before[i].ID, e.ID)
			}
		}
		if heirs[c[out].Endpoint] {
			t.Fatalf("%s was picked with a share of 0", c[out].ID)
		}
		if len(heirs) < len(c)/2 {
			t.Errorf("with %s out, its keys all went to %d of the %d others", c[out].ID, len(heirs), len(c)-1)
		}
	}
	for i, e := range answers(p(c), keys) {
		if e != before[i] {
			t.Fatalf("with everybody back, key %#x goes to %s instead of %s", key(i), e.ID, before[i].ID)
		}
	}
}

// warmUp lets one endpoint's share grow from 0 to its weight: it takes its keys
// back one by one, in proportion, and no other key moves.
func warmUp(t *testing.T, p balance.Policy) {
	const weight, warming = 10, 2
	c := Candidates(weight, weight, weight, weight)
	endpoint := c[warming].Endpoint
	all := answers(p(c), keys)
	owned := 0
	for _, e := range all {
		if e == endpoint {
			owned++
		}
	}
	last := answers(p(withShare(c, warming, 0)), keys)
	for share := uint32(1); share <= weight; share++ {
		now := answers(p(withShare(c, warming, share)), keys)
		has := 0
		for i, e := range now {
			if e == endpoint {
				has++
			}
			if e != last[i] && (e != endpoint || all[i] != endpoint) {
				t.Fatalf("share %d of %d: key %#x moved from %s to %s", share, weight, key(i), last[i].ID, e.ID)
			}
		}
		want := owned * int(share) / weight
		if has < want-owned/6 || has > want+owned/6 {
			t.Errorf("share %d of %d: has %d of its %d keys", share, weight, has, owned)
		}
		last = now
	}
}

func alternatives(t *testing.T, p balance.Policy) {
	for _, n := range []int{1, 2, 3, 16, 17, 18, 40, 300} {
		for _, c := range [][]balance.Candidate{equal(n), mixed(n)} {
			want := 0
			for _, c := range c {
				if c.Share > 0 {
					want++
				}
			}
			picker := p(c)
			for i := range keys / 400 {
				met := make(counter)
				for try := range want {
					q := keyed(i)
					q.Try = try
					e := picker.Pick(q)
					if e == nil || met[e] > 0 {
						t.Fatalf("%d to pick: alternative %d for key %#x is %v; met so far %d", want, try, q.Key, e, len(met))
					}
					met[e]++
				}
				for _, try := range []int{want, want + 1, want + 1000} {
					q := keyed(i)
					q.Try = try
					if e := picker.Pick(q); e != nil {
						t.Fatalf("%d to pick: alternative %d for key %#x is %s again", want, try, q.Key, e.ID)
					}
				}
				for _, c := range c {
					if met[c.Endpoint] > 0 && c.Share == 0 {
						t.Fatalf("alternatives for key %#x have %s, whose share is 0", key(i), c.ID)
					}
				}
			}
		}
	}
}

// mixed returns candidates of which some are out, some have no weight and some
// warm up.
func mixed(n int) []balance.Candidate {
	weights := make([]uint32, n)
	for i := range weights {
		weights[i] = uint32(i % 5)
	}
	weights[0] = 20
	c := Candidates(weights...)
	for i := range c {
		switch {
		case i%7 == 3:
			c[i].Share = 0
		case i%5 == 4:
			c[i].Share = 1
		}
	}
	return c
}

// inheritance: whoever is tried second has the key when the first goes out.
func inheritance(t *testing.T, p balance.Policy) {
	c := equal(6)
	picker := p(c)
	for out := range c {
		rest := p(withShare(c, out, 0))
		for i := range 2000 {
			q := keyed(i)
			if picker.Pick(q) != c[out].Endpoint {
				continue
			}
			heir := rest.Pick(q)
			q.Try = 1
			if second := picker.Pick(q); second != heir {
				t.Fatalf("key %#x: the second choice is %s, but with %s out it goes to %s", q.Key, second.ID, c[out].ID, heir.ID)
			}
		}
	}
}
