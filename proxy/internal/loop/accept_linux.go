package loop

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// An Acceptor takes connections from the listening sockets of one address, a
// socket for each loop or one for all.
type Acceptor struct {
	opt     AcceptOptions
	doors   []*door
	mu      sync.Mutex
	sockets []int // the doors' own; nil: they close
	active  atomic.Int64
	blocked atomic.Bool // a door waits for a connection to end
	conns   sync.WaitGroup
}

// AcceptOptions are what an Acceptor is for.
type AcceptOptions struct {
	// Serve is called on the loop with each connection, a non-blocking socket
	// that it owns, and where it comes from (zero for a Unix socket). It must see
	// to it that the acceptor's Done is called once the connection is closed.
	Serve func(a *Acceptor, l *Loop, fd int, peer netip.AddrPort)
	// Max is how many connections are served at once; more wait in the kernel's
	// queue. 0: no limit.
	Max int64
	// Failed is called, on a goroutine of its own, when a connection cannot be
	// accepted, as for want of descriptors; accepting goes on after retry.
	Failed func(err error, retry time.Duration)
}

// A door is one listening socket on one loop.
type door struct {
	conn    Conn
	loop    *Loop
	of      *Acceptor
	ready   func() // Ready
	delay   time.Duration
	waiting bool // until delay is over
}

// Accept begins to take connections from sockets, listening and non-blocking,
// which it owns from here on. Every loop listens and every socket is listened to:
// where there are fewer sockets than loops, as there may be of those that another
// process has opened, loops share them, and where there are more, some have several.
func (ls *Loops) Accept(sockets []int, o AcceptOptions) *Acceptor {
	a := &Acceptor{opt: o, sockets: sockets}
	for i := range max(len(ls.all), len(sockets)) {
		l := ls.all[i%len(ls.all)]
		fd := sockets[i%len(sockets)]
		if i >= len(sockets) {
			var err error
			if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				break // those that there are will do
			}
		}
		d := &door{of: a, loop: l}
		d.ready = d.Ready
		a.doors = append(a.doors, d)
		if !l.Post(func() { d.open(fd) }) {
			unix.Close(fd)
		}
	}
	return a
}

// open begins to listen.
func (d *door) open(fd int) {
	d.loop.Attach(&d.conn, fd, d)
	if d.loop.closing {
		_ = d.conn.Close()
		return
	}
	d.Ready() // registers
}

// Active is the number of connections being served.
func (a *Acceptor) Active() int64 { return a.active.Load() }

// Close stops accepting, after those that wait have been taken, and closes the
// sockets. It returns when all loops have done so.
func (a *Acceptor) Close() { a.end((*door).close) }

// Leave is Close for sockets that another process listens to as well: those that
// wait there are left to it.
func (a *Acceptor) Leave() { a.end((*door).leave) }

func (a *Acceptor) end(end func(*door)) {
	a.mu.Lock()
	a.sockets = nil
	a.mu.Unlock()
	var wg sync.WaitGroup
	for _, d := range a.doors {
		wg.Add(1)
		if !d.loop.Post(func() { defer wg.Done(); end(d) }) {
			wg.Done()
		}
	}
	wg.Wait()
}

// Each calls f with the sockets, which f must not keep or change. There are none
// after Close or Leave.
func (a *Acceptor) Each(f func(socket int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, fd := range a.sockets {
		f(fd)
	}
}

// Wait waits until every connection has ended. It is for after Close.
func (a *Acceptor) Wait() { a.conns.Wait() }

// Done says that a connection has ended.
func (a *Acceptor) Done() {
	a.conns.Done()
	if a.active.Add(-1) < a.opt.Max && a.blocked.Swap(false) {
		for _, d := range a.doors {
			d.loop.Post(d.ready)
		}
	}
}

// turnConns is how many connections a door takes before others have their turn.
const turnConns = 32

// Ready takes connections.
func (d *door) Ready() {
	if d.waiting || d.conn.state&closed != 0 {
		return
	}
	if !d.conn.register() {
		d.retry(syscall.ENOMEM)
		return
	}
	for n := 0; d.conn.state&closed == 0; n++ {
		if n == turnConns {
			d.loop.AtNextTurn(d.ready)
			return
		}
		if !d.take() {
			return
		}
	}
}

// take takes one connection. It reports false if no more are to be had now.
func (d *door) take() bool {
	a := d.of
	if !a.admit(d) {
		return false
	}
	var from unix.RawSockaddrAny
	fd, errno := sys.Accept(int(d.conn.fd), &from)
	switch errno {
	case 0:
		d.delay = 0
		peer := sys.AddrPort((*unix.RawSockaddrInet6)(unsafe.Pointer(&from)))
		a.Hand(d.loop, fd, func() { a.opt.Serve(a, d.loop, fd, peer) })
		return true
	case syscall.ECONNABORTED, syscall.EPROTO:
		a.Done()
		return true
	case syscall.EAGAIN:
		if sys.Faulty {
			d.conn.rearm() // there may be more
		}
	default:
		d.retry(errno)
	}
	a.Done()
	return false
}

// Hand calls serve, which takes fd, a connection of a's, over on l: it attaches it
// first of all. A panic there ends the connection, if serve has not done so itself,
// and nothing else.
func (a *Acceptor) Hand(l *Loop, fd int, serve func()) {
	served, before := false, l.serial
	l.guard(func() {
		serve()
		served = true
	})
	if served {
		return
	}
	if l.serial == before { // not attached
		unix.Close(fd)
	} else if c := l.conns[fd]; c != nil && c.serial == before+1 {
		c.Abort()
	} else {
		return // closed since, and counted; what has its descriptor now is another's
	}
	a.Done()
}

// admit counts one connection in, if there is room.
func (a *Acceptor) admit(d *door) bool {
	a.conns.Add(1)
	if n := a.active.Add(1); a.opt.Max == 0 || n <= a.opt.Max {
		return true
	}
	// Full. Whoever ends next, or has ended since, says that it goes on.
	a.blocked.Store(true)
	a.Done()
	return false
}

// retry waits out what will pass, such as a want of descriptors: a proxy that
// stops listening because it is busy would be a poor one.
func (d *door) retry(errno syscall.Errno) {
	d.delay = min(max(2*d.delay, 5*time.Millisecond), time.Second)
	d.waiting = true
	delay := d.delay
	if failed := d.of.opt.Failed; failed != nil {
		go failed(errno, delay)
	}
	time.AfterFunc(delay, func() { d.loop.Post(func() { d.waiting = false; d.Ready() }) })
}

// mostWaiting is how many connections wait in a socket's queue, unless an operator
// has allowed more: Linux' net.core.somaxconn.
const mostWaiting = 4096

// close takes the connections that the kernel has already said yes to, and
// closes the socket. Those who come meanwhile could keep it from ever coming to
// an end.
func (d *door) close() {
	if d.conn.state&closed != 0 {
		return
	}
	sys.Calmly(func() {
		for n := 0; n < mostWaiting && d.take(); n++ {
		}
	})
	_ = d.conn.Close()
}

// leave closes the socket and nothing else. The kernel is told first: while another
// process has the socket, too, it would go on telling us of it.
func (d *door) leave() {
	if d.conn.state&closed == 0 && d.conn.loop != nil {
		_ = sys.Close(d.conn.Detach())
	}
}
