package balance

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	maglev "github.com/dgryski/go-maglev"
)

// The small table in maglev.go is the one that is really built.
func TestMaglevCommentShowsTheRealTable(t *testing.T) {
	source, err := os.ReadFile("maglev.go")
	if err != nil {
		t.Fatal(err)
	}
	comment := func(prefix string) []int {
		t.Helper()
		_, line, found := strings.Cut(string(source), "\n//\t"+prefix)
		if !found {
			t.Fatalf("the comment has no line %q", prefix)
		}
		line, _, _ = strings.Cut(line, "\n")
		numbers, _, _ := strings.Cut(line, "       ") // what it takes is in a column of its own
		var list []int
		for _, word := range strings.Fields(numbers) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatalf("line %q: %v", prefix, err)
			}
			list = append(list, n)
		}
		return list
	}
	ids := []string{"backend-0", "backend-1", "backend-2"}
	for _, id := range ids {
		w := newMaglevWalker(id, 7)
		free := slices.Repeat([]int32{-1}, 7)
		var permutation []int
		for range 7 {
			permutation = append(permutation, int(w.take(free)))
		}
		if want := comment(id + "   "); !slices.Equal(permutation, want) {
			t.Errorf("the permutation of %s is %d; the comment says %d", id, permutation, want)
		}
	}
	var table []int
	for _, owner := range goMaglev(ids, []uint32{1, 1, 1}, 7) {
		table = append(table, int(owner))
	}
	if want := comment("backend-  "); !slices.Equal(table, want) {
		t.Errorf("the table is %d; the comment says %d", table, want)
	}
}

func testIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("10.0.%03d.%03d:80", i/256, i%256)
	}
	return ids
}

func TestMaglevEqualWeightsAreGoMaglevs(t *testing.T) {
	for _, size := range []int{2, 3, 7, 251, 65537} {
		for _, n := range []int{1, 2, 3, 10, 300} {
			ids := testIDs(n)
			table := maglev.New(ids, uint64(size))
			for name, got := range map[string][]int32{
				"MAGLEV":          goMaglev(ids, slices.Repeat([]uint32{9}, n), size),
				"WEIGHTED_MAGLEV": weightedMaglev(ids, slices.Repeat([]uint32{9}, n), size),
			} {
				for slot, owner := range got {
					if want := table.Lookup(uint64(slot)); int(owner) != want {
						t.Fatalf("%s of %d in %d slots: slot %d has %d, go-maglev has %d", name, n, size, slot, owner, want)
					}
				}
			}
		}
	}
}

// envoyMaglev is the loop of spec.md §4.6, word for word.
func envoyMaglev(ids []string, weights []uint32, size int) []int32 {
	table := slices.Repeat([]int32{-1}, size)
	walkers := make([]maglevWalker, len(ids))
	target := make([]uint64, len(ids))
	for i, id := range ids {
		walkers[i] = newMaglevWalker(id, size)
	}
	filled := 0
	for iteration := uint64(1); ; iteration++ {
		for i, w := range weights {
			if iteration*uint64(w) < target[i] {
				continue
			}
			target[i] += uint64(slices.Max(weights))
			table[walkers[i].take(table)] = int32(i)
			if filled++; filled == size {
				return table
			}
		}
	}
}

func TestWeightedMaglevIsEnvoysLoop(t *testing.T) {
	for _, weights := range [][]uint32{
		{1}, {1, 2}, {2, 1}, {3, 1, 2}, {7, 7, 7, 1}, {1, 1000},
		{math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32 - 1, 5, 1 << 31},
		{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
	} {
		for _, size := range []int{2, 7, 13, 1009, 65537} {
			ids := testIDs(len(weights))
			if got, want := weightedMaglev(ids, weights, size), envoyMaglev(ids, weights, size); !slices.Equal(got, want) {
				t.Errorf("weights %d in %d slots: not the table of the naive loop", weights, size)
			}
		}
	}
}

func TestMaglevSlotsAreByWeight(t *testing.T) {
	count := make([]int, 2)
	for _, owner := range weightedMaglev([]string{"a", "b"}, []uint32{1, 2}, 65537) {
		count[owner]++
	}
	if count[0] != 21846 || count[1] != 43691 {
		t.Errorf("weights 1 and 2 have %d slots, want 21846 and 43691", count)
	}
}

// A tiny weight beside a huge one keeps a slot, and is not waited for.
func TestMaglevExtremeWeights(t *testing.T) {
	weights := slices.Repeat([]uint32{1}, 1000)
	weights[500] = math.MaxUint32
	count := make([]int, len(weights))
	for _, owner := range weightedMaglev(testIDs(len(weights)), weights, 65537) {
		count[owner]++
	}
	for i, n := range count {
		if want := 1; i != 500 && n != want {
			t.Fatalf("endpoint %d of weight 1 has %d slots, want %d", i, n, want)
		}
	}
}

func TestMaglevMoreEndpointsThanSlots(t *testing.T) {
	for _, rule := range []maglevRule{ruleOfMaglev, ruleOfWeightedMaglev} {
		c := make([]Candidate, 50)
		for i, id := range testIDs(len(c)) {
			c[i] = Candidate{Endpoint: &Endpoint{ID: id, Weight: uint32(i%3 + 1)}, Share: uint32(i%3 + 1)}
		}
		p := newMaglev(c, 7, rule)
		met := make(map[*Endpoint]bool)
		for try := range len(c) {
			met[p.Pick(Request{Key: 4, Keyed: true, Try: try})] = true
		}
		if len(met) != len(c) || met[nil] {
			t.Errorf("alternatives met %d of %d endpoints", len(met), len(c))
		}
	}
}

func TestMaglevWithFourByteSlots(t *testing.T) {
	c := make([]Candidate, maxUint16Len+10)
	for i := range c {
		c[i] = Candidate{Endpoint: &Endpoint{ID: fmt.Sprintf("%08d", i)}, Share: 1}
	}
	p, ok := Maglev(131071)(c).(*maglevTable[uint32])
	if !ok {
		t.Fatal("65545 endpoints do not have four-byte slots")
	}
	ids := make([]string, len(c))
	for i := range c {
		ids[i] = c[i].ID
	}
	table := maglev.New(ids, 131071)
	for key := range uint64(131071) {
		if got, want := p.Pick(Request{Key: key, Keyed: true}).ID, ids[table.Lookup(key)]; got != want {
			t.Fatalf("key %d goes to %s, go-maglev's to %s", key, got, want)
		}
	}
}

func TestCheckMaglevSize(t *testing.T) {
	for size, want := range map[int]string{
		0:           "",
		2:           "",
		7:           "",
		65537:       "",
		5000011:     "",
		1:           "next one is 2",
		-7:          "next one is 2",
		4:           "next one is 5",
		65536:       "next one is 65537",
		5000010:     "next one is 5000011",
		5000012:     "at most 5000011",
		math.MaxInt: "at most 5000011",
	} {
		err := CheckMaglevSize(size)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "the table size of maglev must be a prime number")) {
			t.Errorf("CheckMaglevSize(%d): %v, want %q", size, err, want)
		}
	}
}

// Whatever size is asked for, a prime one is built, so go-maglev always ends.
func TestMaglevBuildsPrimeSizes(t *testing.T) {
	for asked, want := range map[int]int{math.MinInt: 2, -1: 2, 0: 65537, 1: 2, 2: 2, 9: 11, 65536: 65537, 5000012: 5000011, math.MaxInt: 5000011} {
		if got := maglevSize(asked); got != want {
			t.Errorf("asked for %d slots: %d, want %d", asked, got, want)
		}
	}
	c := []Candidate{{&Endpoint{ID: "a"}, 1}, {&Endpoint{ID: "b"}, 1}}
	if p := Maglev(10)(c).(*maglevTable[uint16]); len(p.resolved) != 11 {
		t.Errorf("asked for 10 slots, got %d, want 11", len(p.resolved))
	}
}
