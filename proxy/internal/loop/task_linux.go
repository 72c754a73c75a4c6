package loop

import (
	"iter"
	"runtime/debug"
	"slices"
	"time"
)

// A Runner is work that may wait: for connections of its loop, for a latch, for
// a time. It is run as a task.
type Runner interface {
	// Run is called on the loop. A panic in it is given to Panicked, and ends
	// the task and nothing else.
	Run()
	Panicked(value any, stack []byte)
}

// A task is a coroutine that runs one Runner after the other: it is made once
// and then used again, stack and all. Exactly one of the loop and its tasks is
// running at any time, so what belongs to a loop needs no locks.
type task struct {
	loop   *Loop
	next   func() (struct{}, bool) // continues the coroutine until it yields
	stop   func()
	yield  func(struct{}) bool
	work   Runner
	queued bool // in the run queue, or among those that paused
	spent  int  // bytes moved since it last let others go on
	alarm  Conn // has no descriptor: what the task waits on for a time
}

// maxIdleTasks are kept with their stacks for the next who has work.
const maxIdleTasks = 512

// Go runs r as a task: at once when called by the loop itself, soon when called
// by a task.
func (l *Loop) Go(r Runner) {
	t := l.newTask()
	t.work = r
	l.tasks++
	if l.current == nil {
		l.resume(t)
		l.drainQueue()
	} else {
		l.wake(t)
	}
}

func (l *Loop) newTask() *task {
	if n := len(l.idle); n > 0 {
		t := l.idle[n-1]
		l.idle[n-1] = nil
		l.idle = l.idle[:n-1]
		l.spare = min(l.spare, n-1)
		return t
	}
	t := &task{loop: l}
	t.alarm = Conn{loop: l, fd: -1}
	t.alarm.timer.conn = &t.alarm
	t.next, t.stop = iter.Pull(t.main)
	return t
}

// main is the coroutine.
func (t *task) main(yield func(struct{}) bool) {
	t.yield = yield
	for {
		t.runWork()
		t.work = nil
		t.loop.tasks--
		if len(t.loop.idle) >= maxIdleTasks {
			return
		}
		t.loop.idle = append(t.loop.idle, t)
		t.loop.trimSoon()
		if !yield(struct{}{}) {
			return
		}
	}
}

// trimEvery is how often tasks are stopped that nobody needed since last time.
const trimEvery = time.Second

// trimmer is told when it is time to.
type trimmer struct{ loop *Loop }

// trimSoon makes sure that it will be.
func (l *Loop) trimSoon() {
	if c := &l.trim; c.timer.next == nil {
		c.ReadBy(l.Now().Add(trimEvery))
		c.arm(c.readBy)
	}
}

// Ready stops the tasks that have been idle all the time since it last did. They
// are the first ones: those that have worked last are the next to work.
func (t trimmer) Ready() {
	l := t.loop
	for _, spare := range l.idle[:l.spare] {
		spare.stop()
	}
	l.idle = slices.Delete(l.idle, 0, l.spare)
	if l.spare = len(l.idle); l.spare > 0 {
		l.trimSoon()
	}
}

func (t *task) runWork() {
	defer func() {
		if p := recover(); p != nil {
			t.loop.guard(func() { t.work.Panicked(p, debug.Stack()) })
			t.loop.current = t
		}
	}()
	t.work.Run()
}

// park gives the loop its turn back, until somebody wakes the task.
func (t *task) park() {
	t.spent = 0
	t.yield(struct{}{}) // true: a task is only stopped when it is idle
}

// resume continues t, if it has work: it may have been woken and, before its
// turn came, have ended. It is for the loop itself.
func (l *Loop) resume(t *task) {
	if t.work == nil {
		return
	}
	l.current = t
	t.next()
	l.current = nil
}

// wake makes t go on soon.
func (l *Loop) wake(t *task) {
	if !t.queued {
		t.queued = true
		l.queue = append(l.queue, t)
	}
}

// drainQueue continues the tasks that were woken. It is for the loop itself.
func (l *Loop) drainQueue() {
	for i := 0; i < len(l.queue); i++ {
		t := l.queue[i]
		t.queued = false
		l.resume(t)
	}
	clear(l.queue)
	l.queue = l.queue[:0]
}

const (
	// turnBytes is how much a task may move before others have their turn.
	turnBytes = 256 << 10
	// callCost is what a system call counts as that moves less; and a write
	// always, for its bytes were counted when they were read.
	callCost = 1 << 10
)

// Spend counts work of the running task that moves no bytes as if it had moved
// n, and lets others go on when it was much. A task that can work for long
// without ever having to wait calls it.
func (l *Loop) Spend(n int) { l.spend(n) }

// spend counts bytes that the running task has moved, and lets others go on
// when it was many.
func (l *Loop) spend(n int) {
	t := l.current
	if t == nil {
		return
	}
	if t.spent += n; t.spent >= turnBytes {
		t.queued = true
		l.paused = append(l.paused, t)
		t.park()
	}
}

// wakeSleepers ends every wait that has a limit. All of these have a timer.
func (l *Loop) wakeSleepers() {
	l.wheel.each(func(t *timer) {
		if c := t.conn; c.fd < 0 && c.reader != nil {
			c.readBy = 1
			l.wake(c.reader)
		}
	})
}

// A Latch is opened once. The zero Latch is closed. One task may wait for it.
type Latch struct {
	open   bool
	waiter *task
}

// Open opens it.
func (g *Latch) Open() {
	g.open = true
	if t := g.waiter; t != nil {
		g.waiter = nil
		t.loop.wake(t)
	}
}

// Wait makes the running task wait until it is open, or at most for d where d
// is not negative, and not beyond the end of the loop then. It reports whether
// it is open.
func (l *Loop) Wait(g *Latch, d time.Duration) bool {
	t := l.current
	a := &t.alarm
	a.readBy = 0
	if d >= 0 {
		a.ReadBy(l.Now().Add(d))
	}
	for !g.open && !a.expired(a.readBy) && !(l.closing && d >= 0) {
		g.waiter = t
		a.await(&a.reader, a.readBy)
	}
	g.waiter = nil
	return g.open
}
