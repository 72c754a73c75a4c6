package balance_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// goldenLists are the published vectors: where keys go, so that another
// implementation, or another version of this one, can be held against it.
var goldenLists = []struct {
	file, policy string
	endpoints    []balance.Endpoint
}{
	{"ring_hash_equal", "RING_HASH", goldenEndpoints(1, 1, 1)},
	{"ring_hash_weighted", "RING_HASH", goldenEndpoints(1, 2, 5, 0)},
	{"maglev_equal", "MAGLEV", goldenEndpoints(1, 1, 1)},
	{"maglev_weighted", "MAGLEV", goldenEndpoints(1, 2, 5, 0)},
	{"weighted_maglev_equal", "WEIGHTED_MAGLEV", goldenEndpoints(1, 1, 1)},
	{"weighted_maglev_weighted", "WEIGHTED_MAGLEV", goldenEndpoints(1, 2, 5, 0)},
}

func goldenEndpoints(weights ...uint32) []balance.Endpoint {
	e := make([]balance.Endpoint, len(weights))
	for i, w := range weights {
		e[i] = balance.Endpoint{ID: fmt.Sprintf("192.0.2.%d:80", i+1), Weight: w}
	}
	return e
}

// goldenKeys are small numbers, the edges, and a spread: multiples of 2⁶⁴/φ.
func goldenKeys() []uint64 {
	keys := []uint64{0, 1, 2, 65536, 65537, 1 << 63, 1<<64 - 1}
	for i := range uint64(93) {
		keys = append(keys, (i+1)*0x9e3779b97f4a7c15)
	}
	return keys
}

func TestKeysGoWhereTheyEverDid(t *testing.T) {
	for _, list := range goldenLists {
		t.Run(list.file, func(t *testing.T) {
			c := make([]balance.Candidate, len(list.endpoints))
			for i := range list.endpoints {
				c[i] = balance.Candidate{Endpoint: &list.endpoints[i], Share: list.endpoints[i].Weight}
			}
			p := mustLookup(t, list.policy)(c)
			var got bytes.Buffer
			fmt.Fprintf(&got, "# %s, defaults. Endpoints and weights:", list.policy)
			for _, c := range c {
				fmt.Fprintf(&got, " %s %d", c.ID, c.Weight)
			}
			fmt.Fprint(&got, "\n# key, and the endpoints for Try 0 and 1\n")
			for _, key := range goldenKeys() {
				first := p.Pick(balance.Request{Key: key, Keyed: true})
				second := p.Pick(balance.Request{Key: key, Keyed: true, Try: 1})
				fmt.Fprintf(&got, "%#016x\t%s\t%s\n", key, first.ID, second.ID)
			}
			name := filepath.Join("testdata", list.file+".tsv")
			if *update {
				if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("keys moved; %s says\n%s\nnow it is\n%s", name, want, got.Bytes())
			}
		})
	}
}
