//go:build linux && faults

package loop_test

import (
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// harshly: calls fail as if something had broken.
var harshly bool

func reseed(n uint64) { sys.Seed(n) }

// firstSeed is the one that was asked for, or shown.
func firstSeed() uint64 { return sys.FirstSeed }

func TestNothingIsLeftWhateverBreaks(t *testing.T) {
	harshly = true
	defer func() { harshly = false; sys.Harsh(0) }()
	s := newStage(t)
	first := firstSeed()
	for i := range uint64(3000) {
		sys.Harsh([]int{20, 200, 2000}[i%3])
		if play(t, s, first+i, i%2 == 0); t.Failed() {
			return
		}
	}
	s.end()
}
