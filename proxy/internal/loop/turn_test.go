//go:build linux

package loop_test

import "testing"

// A write that moves one byte costs as much as one that moves a thousand.
func TestOthersHaveTheirTurnBetweenManySmallWrites(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	const writes = 2000
	others := 0 // writes made when others had their turn; loop only
	s.task(func() {
		i := 0
		s.Post(func() { others = i })
		for i = 1; i <= writes; i++ {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
				return
			}
			hear(t, far, 1)
		}
	})
	s.do(func() {
		if others == 0 || others > writes/2 {
			t.Errorf("others had their turn after %d of %d writes", others, writes)
		}
		c.Close()
	})
}
