//go:build linux && !race && !faults

package loop_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnEchoAllocatesNothing(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	w := s.start(func() {
		for {
			b, err := c.Receive(buffers)
			if err != nil {
				return
			}
			_, err = c.Write(b.B)
			b.Free()
			if err != nil {
				return
			}
		}
	})
	p := make([]byte, 64)
	if n := testing.AllocsPerRun(1000, func() {
		unix.Write(far, p)
		unix.Read(far, p)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	unix.Shutdown(far, unix.SHUT_WR)
	<-w.done
	s.do(func() { c.Close() })
}

func TestTasksAndTheirWaitsAllocateNothing(t *testing.T) {
	s := newStage(t)
	w := &rounds{}
	w.s = s
	done := make(chan struct{}, 1)
	w.done = func() { done <- struct{}{} }
	begin := func() { s.Go(w) }
	if n := testing.AllocsPerRun(1000, func() {
		s.Post(begin)
		<-done
	}); n > 1 { // the inbox's list
		t.Errorf("%v allocations", n)
	}
}

type rounds struct {
	s    *stage
	done func()
}

func (r *rounds) Run()                 { r.s.AtNextTurn(r.done) }
func (r *rounds) Panicked(any, []byte) {}
