//go:build linux

package loop

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The oracle is a list of what is set, which is looked through at every step.
// The clock is the test's; it stands still, ticks, and jumps by several rounds.
func TestTimersFireWhenTheyAreDue(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := new(wheel)
		w.init()
		conns := make([]Conn, 40)
		wanted := make([]ticks, len(conns)) // 0: not set
		for i := range conns {
			conns[i].timer.conn = &conns[i]
		}
		set := func(i int, due ticks) {
			w.set(&conns[i].timer, due)
			wanted[i] = max(due, w.done+1)
		}
		var now ticks
		for range 300 {
			for range r.IntN(6) {
				i := r.IntN(len(conns))
				if wanted[i] != 0 && r.IntN(3) == 0 {
					conns[i].timer.unlink()
					wanted[i] = 0
				} else {
					set(i, now+ticks(r.IntN([]int{2, 50, 5 * slots}[r.IntN(3)])))
				}
			}
			for _, due := range wanted {
				if due != 0 && due < w.first {
					t.Fatalf("seed %d: one is due at %d, the first at %d", seed, due, w.first)
				}
			}
			now += ticks([]int{0, 1, r.IntN(40), r.IntN(3 * slots)}[r.IntN(4)])
			var fired, want []int
			for i, due := range wanted {
				if due != 0 && due <= now {
					want = append(want, i)
				}
			}
			w.advance(now, func(tm *timer) {
				i := slices.IndexFunc(conns, func(c Conn) bool { return c.timer.conn == tm.conn })
				if tm.next != nil {
					t.Fatal("it is still set")
				}
				fired = append(fired, i)
				wanted[i] = 0
				switch r.IntN(4) {
				case 0: // again, at once or later
					set(i, now+ticks(r.IntN(3)))
				case 1: // another one's
					if k := r.IntN(len(conns)); wanted[k] > now {
						conns[k].timer.unlink()
						wanted[k] = 0
					}
				}
			})
			slices.Sort(fired)
			if !slices.Equal(fired, want) {
				t.Fatalf("seed %d: at %d fired %v, want %v", seed, now, fired, want)
			}
		}
		n := 0
		w.each(func(*timer) { n++ })
		for _, due := range wanted {
			if due != 0 {
				n--
			}
		}
		if n != 0 {
			t.Fatalf("seed %d: each has %d too many", seed, n)
		}
	}
}
