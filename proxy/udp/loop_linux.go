package udp

import (
	"cmp"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// loopPort is a port's socket on a loop.
type loopPort struct {
	conn loop.Conn
	wire *loopWire
}

// loopWire has a shard's sockets on an event loop. Datagrams are received and sent
// in batches: those from clients go out when their batch has been read, those from
// endpoints when the loop has seen all that the kernel knows.
type loopWire struct {
	x         *shard
	loop      *loop.Loop
	fd        int       // until start
	conn      loop.Conn // listening
	kind      kind
	gone      sync.WaitGroup
	towards   []parcel
	leaving   []parcel // of towards, while it is flushed
	unsent    []parcel // of those
	toSend    [batchSize]sys.Message
	iov       [batchSize]unix.Iovec
	answers   *batch // from endpoints, some of it for clients; nil: nothing
	received  int    // of answers
	outgoing  int    // of answers
	scheduled bool
	ticking   bool
	left      bool    // another process reads what clients send
	busy      []*port // with more to read
	wasBusy   []*port // room for the next busy
	readMore  func()  // Ready
	turnEnds  func()  // endTurn
}

// A parcel is a datagram for the endpoint of a session, as it was when it was sent.
type parcel struct {
	session *session
	port    *port
	to      *remote
	b       []byte
	errno   syscall.Errno // why it could not be sent
}

// openLoops opens a socket for each loop, among which the kernel spreads clients:
// one client always meets the same socket.
func (l *Listener) openLoops() error {
	loops := l.opt.Loops.All()
	var fds []int
	var local netip.AddrPort
	var err error
	if len(l.opt.Sockets) > 0 {
		fds, local, err = adoptAll(l.opt.Sockets)
	} else {
		fds, local, err = listenAll(l.opt.Addr, len(loops))
	}
	if err != nil {
		return err
	}
	l.local = local
	for i, fd := range fds {
		x := newShard(l)
		w := &loopWire{x: x, loop: loops[i%len(loops)], fd: fd, kind: kindOf(fd, local)}
		w.readMore, w.turnEnds = w.Ready, w.endTurn
		x.wire = w
		l.shards = append(l.shards, x)
	}
	return nil
}

func (w *loopWire) now() time.Time { return w.loop.Now() }

func (w *loopWire) start() {
	w.gone.Add(1)
	w.enter(func() {
		w.loop.AttachDatagrams(&w.conn, w.fd, w)
		w.conn.Watch()
		w.tick()
	})
}

func (w *loopWire) wait() { w.gone.Wait() }

func (w *loopWire) discard() error { return os.NewSyscallError("close", unix.Close(w.fd)) }

// enter calls f at once where the loop has ended: then nobody else holds the shard.
func (w *loopWire) enter(f func()) {
	if !w.loop.Post(f) {
		f()
	}
}

func (w *loopWire) file() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(w.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), w.x.of.local.String()), nil
}

func (w *loopWire) leave() {
	if !w.x.ending && !w.conn.Closed() {
		w.left = true
		w.conn.Unwatch()
		w.tick()
	}
}

func (w *loopWire) close() {
	w.flushAnswers()
	w.conn.Unwatch() // another process may have the socket, too, and the kernel would go on
	_ = w.conn.Close()
	w.gone.Done()
}

// tick expires sessions, and sees to it that it is called again.
func (w *loopWire) tick() {
	next := time.Time{}
	d := w.x.expire()
	if !w.conn.Watched() && !w.left { // as soon as there is room, and until then we look ourselves
		d = minTick
		w.conn.Watch()
	}
	if d > 0 {
		next = w.loop.Now().Add(d)
	}
	w.conn.ReadBy(next)
	w.ticking = !next.IsZero()
}

// maxRounds is how many batches of one socket are read before others have their turn.
const maxRounds = 4

// Ready passes on what clients have sent.
func (w *loopWire) Ready() {
	x := w.x
	if x.ending || w.conn.Closed() {
		return
	}
	x.look()
	if w.conn.Expired() {
		w.tick()
	}
	if w.left {
		return
	}
	b := takeBatch()
	defer b.free()
	for range maxRounds {
		n, emptied, errno := b.receive(w.fd, 0)
		if errno == syscall.EAGAIN {
			w.conn.Drained()
			return
		}
		for i := range n {
			x.fromClient(flow{client: b.from(i), local: b.local(i, &w.kind)}, b.data(i))
		}
		w.flush()
		if !w.ticking && len(x.flows) > 0 {
			w.tick()
		}
		if emptied {
			return
		}
	}
	w.loop.AtNextTurn(w.readMore)
}

// Ready passes on what endpoints have answered.
func (p *port) Ready() {
	w := p.wire
	if p.closed || p.conn.Closed() {
		return
	}
	w.x.look()
	w.schedule()
	if p.conn.TakeFailure() {
		w.failures(p)
	}
	for range maxRounds {
		if w.received == batchSize {
			w.flushAnswers()
		}
		b := w.batch()
		from := w.received
		n, emptied, errno := b.receive(p.conn.FD(), from)
		switch {
		case errno == syscall.EAGAIN:
			p.conn.Drained()
			return
		case errno != 0:
			w.failures(p)
			continue
		}
		w.received += n
		for i := from; i < from+n; i++ {
			w.x.fromEndpoint(p, b.from(i), b.data(i))
		}
		if emptied {
			return
		}
	}
	w.busy = append(w.busy, p)
}

// batch is where answers are received.
func (w *loopWire) batch() *batch {
	if w.answers == nil {
		w.answers = takeBatch()
	}
	return w.answers
}

// schedule sees to it that answers are sent.
func (w *loopWire) schedule() {
	if !w.scheduled {
		w.scheduled = true
		w.loop.AtNextTurn(w.turnEnds)
	}
}

// endTurn sends what has gathered, and goes on with ports that have more.
func (w *loopWire) endTurn() {
	w.scheduled = false
	w.flushAnswers()
	busy := w.busy
	w.busy = w.wasBusy[:0]
	for _, p := range busy {
		p.Ready()
	}
	clear(busy)
	w.wasBusy = busy
}

func (w *loopWire) toClient(s *session, b []byte) {
	w.answers.address(w.outgoing, s.flow, &w.kind, b)
	w.outgoing++
}

// flushAnswers sends clients what endpoints have answered.
func (w *loopWire) flushAnswers() {
	b := w.answers
	if b == nil {
		return
	}
	for m := b.send[:w.outgoing]; len(m) > 0; {
		n, errno := sys.SendMessages(w.fd, m)
		if errno != 0 {
			w.x.drop(dropOf(errno))
			n = 1
		}
		m = m[n:]
	}
	w.answers, w.received, w.outgoing = nil, 0, 0
	b.free()
}

func (w *loopWire) toEndpoint(s *session, b []byte) {
	if len(w.towards) == batchSize {
		w.flush()
	}
	w.towards = append(w.towards, parcel{session: s, port: s.port, to: s.remote, b: b})
}

// flush sends endpoints what clients have sent: one call for each port. What cannot
// be sent may be for another endpoint then.
func (w *loopWire) flush() {
	for len(w.towards) > 0 {
		out := w.towards
		w.towards, w.leaving = w.leaving[:0], out
		if len(out) > 1 {
			slices.SortStableFunc(out, func(a, b parcel) int { return cmp.Compare(a.port.serial, b.port.serial) })
		}
		for len(out) > 0 {
			n := 1
			for n < len(out) && out[n].port == out[0].port {
				n++
			}
			w.send(out[0].port, out[:n])
			out = out[n:]
		}
		for _, o := range w.unsent { // at most batchSize: it does not come back here
			w.x.unsent(o.session, o.port, o.b, o.errno)
		}
		w.unsent = w.unsent[:0]
	}
}

// maxPending is how often an error may be that of an earlier datagram.
const maxPending = 3

// send sends what goes out by one port.
func (w *loopWire) send(p *port, out []parcel) {
	if p.closed {
		return
	}
	for i, o := range out {
		w.iov[i].Base = unsafe.SliceData(o.b)
		w.iov[i].SetLen(len(o.b))
		m := &w.toSend[i]
		m.Iov = &w.iov[i]
		m.SetIovlen(1)
		m.Name, m.Namelen = (*byte)(unsafe.Pointer(&o.to.raw.sa)), o.to.raw.len
	}
	pending := 0
	for at := 0; at < len(out); {
		n, errno := sys.SendMessages(p.conn.FD(), w.toSend[at:len(out)])
		switch {
		case errno == 0:
			at += n
			pending = 0
		case pending < maxPending && isPending(errno):
			pending++ // the error queue has more of it: see failures
		default:
			out[at].errno = errno
			w.unsent = append(w.unsent, out[at])
			at++
			pending = 0
		}
	}
}

// open opens a socket that is connected to nobody: the kernel chooses its port,
// and tells which datagram was refused (IP_RECVERR).
func (w *loopWire) open(to *remote) (*port, error) {
	fd, err := openPort(to)
	if err != nil {
		return nil, err
	}
	p := new(port)
	p.wire, p.shut = w, func() { _ = p.conn.Close() }
	w.loop.AttachDatagrams(&p.conn, fd, p)
	if p.conn.Watch(); !p.conn.Watched() {
		p.shut()
		return nil, os.NewSyscallError("epoll_ctl", syscall.ENOSPC) // it would hear nothing
	}
	return p, nil
}

// failures asks which datagrams did not arrive.
func (w *loopWire) failures(p *port) {
	b := takeBatch()
	defer b.free()
	for range maxRounds {
		n, emptied, errno := b.receiveFailures(p.conn.FD())
		if errno != 0 {
			p.conn.Drained()
			return
		}
		for i := range n {
			if errno := b.errno(i); errno != 0 {
				w.x.failed(p, b.from(i), errno, b.data(i))
			}
		}
		w.flush()
		if emptied {
			return // else the next one has become the socket's error
		}
	}
}

// isPending reports whether an error may be that of an earlier datagram.
func isPending(errno syscall.Errno) bool {
	return errno != syscall.EAGAIN && errno != syscall.ENOBUFS && errno != syscall.EINVAL
}
