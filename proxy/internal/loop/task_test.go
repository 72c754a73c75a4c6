//go:build linux

package loop_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

func TestALatchIsWaitedForUntilItOpens(t *testing.T) {
	s := newStage(t)
	var g loop.Latch
	var order []string
	waiter := s.start(func() {
		if !s.Wait(&g, -1) {
			t.Error("woken, and not open")
		}
		order = append(order, "waiter")
		if !s.Wait(&g, -1) || !s.Wait(&g, 0) {
			t.Error("it did not stay open")
		}
	})
	s.task(func() {
		order = append(order, "opener")
		g.Open()
		g.Open()
	})
	<-waiter.done
	if len(order) != 2 || order[0] != "opener" {
		t.Errorf("order %q", order)
	}
}

func TestALatchIsWaitedForSoLongOnly(t *testing.T) {
	s := newStage(t)
	s.task(func() {
		var g loop.Latch
		began := s.Now()
		if s.Wait(&g, 30*time.Millisecond) {
			t.Error("open")
		}
		if d := s.Now().Sub(began); d < 30*time.Millisecond {
			t.Errorf("waited %v", d)
		}
	})
}

func TestAWaitLastsAsLongAsAsked(t *testing.T) {
	s := newStage(t)
	s.task(func() {
		for _, d := range []time.Duration{0, time.Millisecond, 40 * time.Millisecond} {
			began := s.Now()
			s.Sleep(d)
			if got := s.Now().Sub(began); got < d {
				t.Errorf("slept %v, want %v", got, d)
			}
		}
	})
}

// Each of these waits for what never comes.
func TestTheEndOfALoopEndsItsTasks(t *testing.T) {
	s := newStage(t)
	reader, _ := s.pair(nil)
	writer, _ := s.pair(nil)
	src, fill := s.pair(nil)
	dst, _ := s.pair(nil)
	watched := new(told)
	idle, _ := s.pair(watched)
	var g loop.Latch
	var failed [3]error
	tasks := []*work{
		s.start(func() { _, failed[0] = reader.Read(make([]byte, 1)) }),
		s.start(func() { _, failed[1] = writer.Write(make([]byte, 16<<20)) }),
		s.start(func() { _, failed[2] = splice(dst, src, -1) }),
		s.start(func() { s.Sleep(time.Hour) }),
		s.start(func() { s.Wait(&g, time.Hour) }),
	}
	s.do(idle.Watch)
	unix.SetNonblock(fill, true)
	for filled := 0; filled < 1<<20; { // until Splice has a pipe that it cannot empty
		n, err := unix.Write(fill, make([]byte, 4096))
		if err != nil {
			break
		}
		filled += n
	}
	s.end()
	for _, w := range tasks {
		<-w.done
	}
	for i, err := range failed {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d: %v, want net.ErrClosed", i, err)
		}
	}
	if watched.times.Load() == 0 || !idle.Gone() {
		t.Errorf("the handler was told %d times, closed %v", watched.times.Load(), idle.Gone())
	}
}

func TestNothingIsTakenAfterTheEnd(t *testing.T) {
	s := newStage(t)
	s.end()
	if s.Post(func() { t.Error("called") }) {
		t.Error("Post after the end")
	}
}

func TestTasksAreOfUseAfterPanics(t *testing.T) {
	s := newStage(t)
	for i := range 100 {
		w := s.start(func() { panic(i) })
		<-w.done
		if w.panicked != i {
			t.Fatalf("panicked with %v, want %d", w.panicked, i)
		}
	}
	ran := false
	s.task(func() { ran = true })
	if !ran || s.panics.Load() != 0 {
		t.Fatalf("ran %v, %d panics", ran, s.panics.Load())
	}
}

// twice panics where its panic is told.
type twice struct{}

func (twice) Run()                 { panic("once") }
func (twice) Panicked(any, []byte) { panic("twice") }

func TestAPanicAboutAPanicEndsNothingElse(t *testing.T) {
	s := newStage(t)
	s.do(func() { s.Go(twice{}) })
	s.task(func() {})
	if s.panics.Load() != 1 {
		t.Errorf("told of %d panics", s.panics.Load())
	}
	s.end() // it does not wait for the task
}

func TestPanicsOfWhatIsPostedEndNothingElse(t *testing.T) {
	s := newStage(t)
	ran := make(chan string, 4)
	s.do(func() {
		s.Post(func() { panic("posted") })
		s.Post(func() { ran <- "posted after" })
		s.AtNextTurn(func() { panic("next turn") })
		s.AtNextTurn(func() {
			s.AtNextTurn(func() { ran <- "at the turn after" })
		})
	})
	for range 2 {
		<-ran
	}
	s.do(func() {}) // the inbox is open
	if s.panics.Load() != 2 {
		t.Errorf("told of %d panics", s.panics.Load())
	}
}

// A handler's panic closes its connection; who waited for it goes on, and so
// does everybody else of that turn.
func TestAHandlersPanicClosesItsConnection(t *testing.T) {
	s := newStage(t)
	bad, far := s.pair(&told{f: func() { panic("handler") }})
	var quiet []*told
	var fars []int
	for range 5 {
		h := new(told)
		c, far := s.pair(h)
		s.do(c.Watch)
		quiet, fars = append(quiet, h), append(fars, far)
	}
	s.do(bad.Watch)
	s.do(func() { // they come in one turn
		unix.Write(far, []byte("x")) // a spurious event, injected, may have closed it already
		for _, fd := range fars {
			say(t, fd, "x")
		}
	})
	for _, h := range quiet {
		testkit.Eventually(t, func() bool { return h.times.Load() > 0 })
	}
	testkit.Eventually(t, func() bool { return s.panics.Load() > 0 }) // faults may have put its turn off
	s.do(func() {})
	if s.panics.Load() != 1 || !bad.Gone() {
		t.Errorf("%d panics, closed %v", s.panics.Load(), bad.Gone())
	}
}

// The writer is continued first, and closes the connection that the reader
// waits for. The reader was then woken twice, and the second time it was the
// loop that ran into a task without work.
func TestATaskThatHasEndedIsNotContinued(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	unix.SetNonblock(far, true)
	reader := s.start(func() { c.Read(make([]byte, 1)) })
	writer := s.start(func() {
		c.Write(make([]byte, 1<<20))
		c.Close()
	})
	s.do(func() {
		for {
			if _, err := unix.Read(far, make([]byte, 1<<16)); err != nil {
				break
			}
		}
		unix.Write(far, []byte("x")) // room and a byte, in one event
	})
	for open := true; open; {
		unix.Read(far, make([]byte, 1<<16))
		s.do(func() { open = !c.Gone() })
	}
	<-reader.done
	<-writer.done
	s.task(func() {})
	if s.panics.Load() != 0 {
		t.Error("the loop has panicked")
	}
}

// The greedy connection is refilled by its own reader, so it never runs dry.
func TestABusyConnectionLetsOthersHaveTheirTurn(t *testing.T) {
	const turn = 256 << 10
	s := newStage(t)
	greedy, source := s.pair(nil)
	modest, far := s.pair(nil)
	var moved, mark int64
	var answered bool
	echo := s.start(func() {
		modest.Read(make([]byte, 1))
		answered = true
	})
	s.task(func() {
		p := make([]byte, 16<<10)
		unix.Write(source, p)
		for !answered && moved < 100*turn {
			n, err := greedy.Read(p)
			if err != nil {
				t.Error(err)
				return
			}
			if moved += int64(n); mark == 0 && moved >= 10*turn {
				mark = moved
				say(t, far, "x")
			}
			unix.Write(source, p[:n])
		}
	})
	<-echo.done
	if moved-mark > 3*turn {
		t.Errorf("the other waited for %d bytes", moved-mark)
	}
}
