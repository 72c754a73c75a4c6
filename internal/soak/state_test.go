package soak_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A soak is one run of everything.
type soak struct {
	t     *testing.T
	seed  uint64
	proxy *proxy
	stop  atomic.Bool
	posts once
	tally
}

// A tally counts outcomes by kind of traffic, and keeps what is wrong.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int
	errors int
	owed   struct{ asked, answered int } // requests that nothing excuses
}

func (y *tally) count(kind, outcome string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.counts == nil {
		y.counts = map[string]map[string]int{}
	}
	if y.counts[kind] == nil {
		y.counts[kind] = map[string]int{}
	}
	y.counts[kind][outcome]++
}

// countOwed counts a request that nothing excuses.
func (y *tally) countOwed(answered bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.owed.asked++
	if answered {
		y.owed.answered++
	}
}

// String is a line for each kind, the most frequent outcome first.
func (y *tally) String() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(y.counts)) {
		outcomes := y.counts[kind]
		words := slices.SortedFunc(maps.Keys(outcomes), func(a, b string) int {
			return cmp.Or(outcomes[b]-outcomes[a], strings.Compare(a, b))
		})
		fmt.Fprintf(&b, "  %-24s", kind)
		for _, word := range words {
			fmt.Fprintf(&b, "  %d %s", outcomes[word], word)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "  had to be answered as planned: %d; were: %d; wrong: %d", y.owed.asked, y.owed.answered, y.errors)
	return b.String()
}

// maxErrors are reported; where there are more they say the same.
const maxErrors = 20

// wrong reports what must not be.
func (s *soak) wrong(format string, args ...any) {
	s.mu.Lock()
	s.errors++
	n := s.errors
	s.mu.Unlock()
	if n <= maxErrors {
		s.t.Errorf(format, args...)
	}
}

// stuck is wrong, and says where everybody is.
func (s *soak) stuck(format string, args ...any) {
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	s.wrong(format+"\n%.40000s", append(args, b.String())...)
}

// once remembers the latest requests of each client. An id is the client's
// number and the request's, so a table of fixed size will do.
type once struct {
	latest [256][1 << 12]atomic.Uint64
}

// twice reports whether id was seen before.
func (o *once) twice(id uint64) bool {
	return o.latest[id>>32&255][id%(1<<12)].Swap(id) == id
}

// A panicWatch is where the proxy's log goes: it keeps what is said of a
// recovered panic, and nothing else.
type panicWatch struct{ panics testkit.Buffer }

func (w *panicWatch) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic: connection closed")) {
		w.panics.Write(p)
	}
	return len(p), nil
}
