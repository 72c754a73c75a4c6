package loop

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A Loop serves many connections with one goroutine: it asks the kernel which
// of them something happened to, and lets their tasks and handlers go on.
type Loop struct {
	epoll   sys.Poller
	file    *os.File // of epoll, as the netpoller knows it
	raw     syscall.RawConn
	poll    func(fd uintptr) bool
	ready   [256]unix.EpollEvent
	found   int   // of ready
	drained bool  // the last poll has found less than it could hold
	skipped int   // turns in a row that did not
	wakeBy  ticks // when the netpoller ends our wait

	ctx   context.Context // that ends with the loop
	epoch time.Time
	now   time.Time     // when this turn began
	since time.Duration // from epoch to then
	ticks ticks         // the same, in ticks

	conns  []*Conn // by descriptor
	serial uint16
	wheel  wheel

	current *task // that runs; nil: the loop itself does
	queue   []*task
	paused  []*task // had their share of this turn
	idle    []*task
	tasks   int // with work
	spare   int // the fewest that were idle since the last trim
	trim    Conn

	after, later []func() // at the beginning of the next turn; what after is next time
	inbox        inbox

	at       *Conn // whose events are being handled
	closing  bool
	panicked func(value any, stack []byte)
}

// inbox has work from other goroutines.
type inbox struct {
	conn Conn // an eventfd
	mu   sync.Mutex
	work []func()
	done bool // nobody will look any more
}

// newLoop returns a loop that is to be run.
func newLoop() (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// The first tick is over, which is what a time of 1 stands for: see Interrupt.
	l := &Loop{epoll: sys.Poller{FD: epoll}, epoch: time.Now().Add(-tick)}
	l.wheel.init()
	l.trim = Conn{loop: l, fd: -1, handler: trimmer{l}}
	l.trim.timer.conn = &l.trim
	// An epoll descriptor can itself be polled, and so the goroutine can wait
	// where all others do: in the runtime's netpoller, with no thread of its own.
	if err := unix.SetNonblock(epoll, true); err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l.file = os.NewFile(uintptr(epoll), "epoll")
	if l.raw, err = l.file.SyscallConn(); err == nil {
		err = l.file.SetReadDeadline(time.Time{}) // fails unless it can be polled
	}
	if err == nil {
		err = l.openInbox()
	}
	if err != nil {
		l.file.Close()
		return nil, err
	}
	l.poll = func(uintptr) bool { l.ask(); return l.found > 0 }
	l.look()
	return l, nil
}

func (l *Loop) openInbox() error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	l.Attach(&l.inbox.conn, fd, &l.inbox)
	if !l.inbox.conn.register() {
		unix.Close(fd)
		return os.NewSyscallError("epoll_ctl", syscall.ENOMEM)
	}
	return nil
}

// Post has the loop call f soon. It may be called from any goroutine. It
// reports false if the loop has ended and f will not be called.
func (l *Loop) Post(f func()) bool {
	b := &l.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return false
	}
	b.work = append(b.work, f)
	if len(b.work) == 1 {
		one := [8]byte{1}
		_, _ = unix.Write(int(b.conn.fd), one[:]) // EAGAIN: it will be seen anyway
	}
	return true
}

// Ready takes the work out. Edges are all that is asked of the eventfd, so its
// count is never read.
func (b *inbox) Ready() {
	b.mu.Lock()
	work := b.work
	b.work = nil
	b.mu.Unlock()
	for _, f := range work {
		b.conn.loop.guard(f)
	}
}

// AtNextTurn has the loop call f when it has seen everything that the kernel
// knows now, or very much of it.
func (l *Loop) AtNextTurn(f func()) { l.after = append(l.after, f) }

// Each calls f with the handler of every connection that has one.
func (l *Loop) Each(f func(Handler)) {
	for _, c := range l.conns {
		if c != nil && c.handler != nil {
			f(c.handler)
		}
	}
}

// Now is when the current turn began. Nothing on a loop lasts long, and a clock
// is not free.
func (l *Loop) Now() time.Time { return l.now }

// look looks at the clock.
func (l *Loop) look() {
	l.since = time.Since(l.epoch)
	l.now = l.epoch.Add(l.since)
	l.ticks = ticks(l.since / tick)
}

// ticksAt is the first tick that is not before t.
func (l *Loop) ticksAt(t time.Time) ticks {
	if t.IsZero() {
		return 0
	}
	d := t.Sub(l.epoch)
	if d <= 0 {
		return 1
	}
	n := ticks(d / tick)
	if d%tick > 0 {
		n++
	}
	return n
}

// run serves until ctx ends. Then it closes every connection, and returns when
// no task is left.
func (l *Loop) run(ctx context.Context) {
	l.ctx = ctx
	stop := context.AfterFunc(ctx, func() { l.Post(l.close) })
	defer stop()
	for !l.closing || l.tasks > 0 || len(l.after) > 0 {
		l.turn()
	}
	l.inbox.mu.Lock()
	l.inbox.done = true
	work := l.inbox.work
	l.inbox.work = nil
	l.inbox.mu.Unlock()
	for _, f := range work {
		l.guard(f)
	}
	l.close() // what these have attached
	for l.tasks > 0 {
		l.turn()
	}
	l.inbox.conn.Close()
	for _, t := range l.idle {
		t.stop()
	}
	l.idle = nil
	l.file.Close()
}

// close ends everything.
func (l *Loop) close() {
	l.closing = true
	l.wakeSleepers()
	for fd := range l.conns {
		if c := l.conns[fd]; c != nil && c != &l.inbox.conn {
			l.guard(c.end)
		}
	}
}

// end closes c because the loop ends, and says so to whoever is to know.
func (c *Conn) end() {
	idle := c.reader == nil && c.writer == nil
	c.Abort()
	if idle && c.handler != nil {
		c.handler.Ready()
	}
}

// turn does what there is to do, once. If there is nothing it waits.
func (l *Loop) turn() {
	defer l.rescue()
	l.drainQueue() // if the turn before has panicked
	l.ask()
	if l.found == 0 && len(l.paused) == 0 && len(l.after) == 0 {
		l.park()
	}
	l.look()
	l.noteFound()
	l.runAfter()
	for i := range l.found {
		if c := l.conn(i); c != nil {
			l.at = c
			c.tell(l.ready[i].Events)
			l.drainQueue()
		}
	}
	l.at, l.found = nil, 0
	l.continuePaused()
	l.wheel.advance(l.ticks, l.fire)
	l.drainQueue()
}

// noteFound notes everything that was found before anybody acts on a part of it:
// who is lent a connection is to know that something has come on it.
func (l *Loop) noteFound() {
	for i := range l.found {
		if c := l.conn(i); c != nil {
			c.note(l.ready[i].Events)
		}
	}
}

// conn is the connection that an event is for; nil: it is closed meanwhile.
func (l *Loop) conn(i int) *Conn {
	e := &l.ready[i]
	if c := l.conns[e.Fd]; c != nil && c.serial == uint16(e.Pad) {
		return c
	}
	return nil
}

func (l *Loop) fire(t *timer) {
	defer l.rescue()
	l.at = t.conn
	t.conn.fire()
	l.drainQueue()
	l.at = nil
}

// rescue keeps a panic in the handling of one connection from ending the
// others': that one is closed. Events that came with it are not lost, for what
// they said is asked again. Tasks look after themselves.
func (l *Loop) rescue() {
	p := recover()
	if p == nil {
		return
	}
	l.report(p)
	if l.at != nil {
		l.at.Abort()
	}
	for i := range l.found { // the rest of this turn
		if c := l.conn(i); c != nil && c != l.at {
			c.rearm()
		}
	}
	l.at, l.found = nil, 0
}

// guard calls f, which nothing but itself depends on: a panic ends f.
func (l *Loop) guard(f func()) {
	at := l.at
	l.at = nil
	defer func() {
		l.at = at
		if p := recover(); p != nil {
			l.report(p)
		}
	}()
	f()
}

func (l *Loop) report(p any) {
	l.current = nil
	if l.panicked != nil {
		l.panicked(p, debug.Stack())
	}
}

// maxSkipped is for how many turns AtNextTurn waits for the kernel to run out
// of news, which it may never do.
const maxSkipped = 8

func (l *Loop) runAfter() {
	if !l.drained && l.skipped < maxSkipped {
		l.skipped++
		return
	}
	l.skipped = 0
	if len(l.after) == 0 {
		return
	}
	work := l.after
	l.after = l.later[:0]
	for _, f := range work {
		l.guard(f)
		l.drainQueue()
	}
	clear(work)
	l.later = work
}

func (l *Loop) continuePaused() {
	for n := len(l.paused); n > 0; n-- {
		t := l.paused[0]
		l.paused = append(l.paused[:0], l.paused[1:]...)
		t.queued = false
		l.resume(t)
		l.drainQueue()
	}
}

// ask asks the kernel what has happened, without waiting.
func (l *Loop) ask() { l.take(l.epoll.Ask(l.ready[:])) }

// take notes that so many of ready were found.
func (l *Loop) take(found int) {
	l.found = found
	l.drained = l.found < len(l.ready) && !l.epoll.Withholds()
}

// nap is how long the loop waits in the kernel before it waits in the runtime's
// poller: where events follow each other that closely, parking and waking the
// goroutine would cost more than to keep its processor.
const nap = 50 * time.Microsecond

// park waits until something happens, or a timer is due.
func (l *Loop) park() {
	runtime.Gosched() // let others go first: what we wait for may be theirs
	if l.take(l.epoll.AskFor(l.ready[:], nap)); l.found > 0 {
		return
	}
	if l.wheel.first != l.wakeBy {
		l.wakeBy = l.wheel.first
		_ = l.file.SetReadDeadline(l.timeOf(l.wakeBy)) // checked when the loop was made
	}
	if l.raw.Read(l.poll) != nil { // the deadline
		l.wakeBy = 0
	}
}

func (l *Loop) timeOf(t ticks) time.Time {
	if t == farFuture {
		return time.Time{}
	}
	return l.epoch.Add(time.Duration(t) * tick)
}
