package loop

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A Conn is a stream socket on a loop. All of it is for that loop and its tasks
// only. Calls that have to wait park the task that makes them; at most one task
// reads and one writes.
//
// A Conn is small, and without a task it holds no memory but itself: ten
// thousand idle ones are two megabytes.
type Conn struct {
	loop           *Loop
	handler        Handler
	reader, writer *task // who waits
	timer          timer
	readBy         ticks // when waiting is over; 0: never
	writeBy        ticks
	fd             int32
	serial         uint16 // tells it from the last ones that had its descriptor
	state          state
	deaf           bool // to news of room: see AttachDatagrams
	received, sent int64
}

// A Handler is told what happens to a connection while no task waits for it.
type Handler interface {
	// Ready is called on the loop when there may be something to read, when the
	// peer has closed, when the time set by ReadBy has come, or when there is room
	// again that WriteNow or DrainNow did not find.
	Ready()
}

// state is what is known of a socket. The kernel tells of changes once
// (EPOLLET), so what it said is kept until a call finds otherwise.
type state uint8

const (
	readable   state = 1 << iota // a read may find something
	writable                     // a write may find room
	hungUp                       // the peer has closed its side, or worse
	registered                   // with epoll
	closed
	blocked // the handler waits for room to write
	failed  // the kernel has an error to tell of
	urgent  // the peer has sent urgent data
)

// Attach makes fd, a non-blocking stream socket, a connection of the loop. The
// loop learns what happens to it only once somebody waits, or Watch is called:
// a connection that is accepted, served and closed in one turn costs no call
// for that.
func (l *Loop) Attach(c *Conn, fd int, h Handler) {
	l.serial++
	*c = Conn{loop: l, handler: h, fd: int32(fd), serial: l.serial, state: readable | writable}
	c.timer.conn = c
	for fd >= len(l.conns) {
		l.conns = append(l.conns, make([]*Conn, max(64, len(l.conns)))...)
	}
	l.conns[fd] = c
}

// Handle makes h the one to be told.
func (c *Conn) Handle(h Handler) { c.handler = h }

// Loop is the loop that c is on.
func (c *Conn) Loop() *Loop { return c.loop }

// Watch makes sure that the handler hears of c, also of what happened before.
func (c *Conn) Watch() {
	switch {
	case c.state&closed != 0:
	case c.state&registered == 0:
		if !c.register() {
			c.state |= readable | hungUp
			c.loop.AtNextTurn(c.tellAnyway) // whoever reads finds out
		}
	case c.state&readable != 0 || sys.Faulty:
		c.rearm() // a task has heard it, and left it there
	}
	c.arm(c.readBy)
}

// tellAnyway tells the handler of a connection that epoll knows nothing of.
func (c *Conn) tellAnyway() {
	if c.state&(closed|registered) == 0 && c.reader == nil && c.handler != nil {
		c.handler.Ready()
	}
}

// register asks the kernel to tell of changes, beginning with how things are.
func (c *Conn) register() bool {
	if c.state&registered != 0 || c.fd < 0 {
		return true
	}
	if !c.control(unix.EPOLL_CTL_ADD) {
		return false // ENOMEM, ENOSPC
	}
	c.state |= registered
	return true
}

// rearm asks the kernel to tell again how things are.
func (c *Conn) rearm() {
	if c.state&(registered|closed) == registered {
		c.control(unix.EPOLL_CTL_MOD)
	}
}

func (c *Conn) control(op int) bool {
	e := unix.EpollEvent{
		Events: news | unix.EPOLLOUT | unix.EPOLLRDHUP | 1<<31, // EPOLLET
		Fd:     c.fd, Pad: int32(c.serial),
	}
	if c.deaf {
		e.Events &^= unix.EPOLLOUT
	}
	return c.loop.epoll.Control(op, int(c.fd), &e) == 0
}

const (
	news      = unix.EPOLLIN | unix.EPOLLPRI
	endEvents = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
)

// note keeps what the kernel tells.
func (c *Conn) note(mask uint32) {
	if mask&(news|endEvents) != 0 {
		c.state |= readable
	}
	if mask&unix.EPOLLPRI != 0 {
		c.state |= urgent
	}
	if mask&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.state |= writable
	}
	if mask&endEvents != 0 {
		c.state |= hungUp
	}
	if mask&unix.EPOLLERR != 0 {
		c.state |= failed
	}
}

// tell lets those go on whom what was noted concerns.
func (c *Conn) tell(mask uint32) {
	told := false
	if t := c.writer; t != nil && c.state&writable != 0 {
		c.writer, told = nil, true
		c.loop.resume(t)
	}
	if t := c.reader; t != nil && c.state&readable != 0 {
		c.reader, told = nil, true
		c.loop.resume(t)
	}
	if c.state&(blocked|writable) == blocked|writable {
		c.state &^= blocked
		mask |= unix.EPOLLIN // the handler has something to do
	}
	if !told && c.state&closed == 0 && c.handler != nil && mask&(news|endEvents) != 0 {
		c.handler.Ready()
	}
}

// fire is called when the timer does.
func (c *Conn) fire() {
	if t := c.reader; t != nil && c.expired(c.readBy) {
		c.reader = nil
		c.loop.resume(t)
	}
	if t := c.writer; t != nil && c.expired(c.writeBy) {
		c.writer = nil
		c.loop.resume(t)
	}
	if c.state&closed != 0 {
		return
	}
	idle := c.reader == nil && c.writer == nil
	if idle && c.handler != nil && c.expired(c.readBy) {
		c.handler.Ready()
		return
	}
	if c.reader != nil || idle && c.handler != nil {
		c.arm(c.readBy)
	}
	if c.writer != nil {
		c.arm(c.writeBy)
	}
}

// arm makes the timer fire at a time or before.
func (c *Conn) arm(at ticks) {
	if at != 0 && c.state&closed == 0 && (c.timer.next == nil || at < c.timer.due) {
		c.loop.wheel.set(&c.timer, at)
	}
}

func (c *Conn) expired(by ticks) bool { return by != 0 && by <= c.loop.ticks }

// Expired reports whether the time set by ReadBy has come.
func (c *Conn) Expired() bool { return c.expired(c.readBy) }

// ReadBy sets the time after which reading fails with os.ErrDeadlineExceeded,
// and the handler of a connection that nobody reads is told; the zero time
// means never. It is cheap unless t is earlier than what was set before.
func (c *Conn) ReadBy(t time.Time) {
	c.readBy = c.loop.ticksAt(t)
	if c.reader != nil || c.handler != nil {
		c.arm(c.readBy)
	}
}

// WriteBy is ReadBy for writing.
func (c *Conn) WriteBy(t time.Time) {
	c.writeBy = c.loop.ticksAt(t)
	if c.writer != nil {
		c.arm(c.writeBy)
	}
}

// Interrupt makes reading and writing, now and to come, fail with
// os.ErrDeadlineExceeded, until the next ReadBy or WriteBy.
func (c *Conn) Interrupt() {
	c.readBy, c.writeBy = 1, 1
	c.wakeBoth()
}

// Nudge wakes whoever waits to read, as if its deadline had passed.
func (c *Conn) Nudge() {
	c.readBy = 1
	if c.reader != nil {
		c.loop.wake(c.reader)
	}
}

func (c *Conn) wakeBoth() {
	if c.reader != nil {
		c.loop.wake(c.reader)
	}
	if c.writer != nil {
		c.loop.wake(c.writer)
	}
}

// await parks the running task in one of c's two places until something
// happens, or by passes.
func (c *Conn) await(place **task, by ticks) {
	if sys.Faulty {
		c.rearm() // that nothing is there may have been a lie
	}
	t := c.loop.current
	*place = t
	c.arm(by)
	t.park()
	if *place == t {
		*place = nil
	}
}

func (c *Conn) awaitReadable() error {
	if err := c.usable(c.readBy); err != nil {
		return err
	}
	c.await(&c.reader, c.readBy)
	return c.usable(c.readBy)
}

func (c *Conn) awaitWritable() error {
	if err := c.usable(c.writeBy); err != nil {
		return err
	}
	c.await(&c.writer, c.writeBy)
	return c.usable(c.writeBy)
}

// usable says why c cannot be waited for.
func (c *Conn) usable(by ticks) error {
	switch {
	case c.state&closed != 0 || c.loop.closing:
		return net.ErrClosed
	case c.expired(by):
		return os.ErrDeadlineExceeded
	case !c.register():
		return syscall.ENOMEM
	}
	return nil
}

// begin says why a call cannot begin.
func (c *Conn) begin(by ticks) error {
	if c.state&closed != 0 {
		return net.ErrClosed
	}
	if c.expired(by) {
		return os.ErrDeadlineExceeded
	}
	return nil
}
