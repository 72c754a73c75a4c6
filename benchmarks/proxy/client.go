//go:build linux

package main

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// clientLoop is the load: a fixed number of clients, each doing one operation after the other, on one event loop that
// allocates nothing once it runs.
type clientLoop struct {
	kind    kind
	fresh   bool  // a new connection for every operation
	quota   int   // operations of each client, after which it only keeps its connection; 0: no end
	pause   int64 // of a client between two operations, in nanoseconds
	addr    *syscall.RawSockaddrInet4
	request []byte
	fixed   int // bytes of every response; 0: the head says

	poll  *poller
	conns []client
	lost  []int  // clients that failed and wait for a new connection
	rests []rest // clients that pause, the first to go on first
	buf   []byte
	sizes responseSizer
	begun time.Time

	looked     int64 // for lost datagrams
	ops        uint64
	errors     uint64
	firstError string
	latency    histogram
}

type client struct {
	fd      int
	sent    int    // bytes of the request that are away
	got     int    // bytes of the response that are here
	want    int    // bytes of the response in all; 0: not known yet
	did     int    // operations so far
	resting bool   // between two operations
	started int64  // when the operation began
	partial []byte // a response head that has begun; rare
}

// A rest is a client's pause.
type rest struct {
	at    int
	until int64
}

// maxErrors ends a run that does nothing but fail.
const maxErrors = 10_000

func newClientLoop(spec loadSpec) (*clientLoop, error) {
	addr, err := sockaddr(spec.Addr)
	if err != nil {
		return nil, err
	}
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	sc := spec.Scenario
	l := &clientLoop{
		kind:  sc.Kind,
		fresh: sc.Kind == exchangeFresh || sc.Kind == echoFresh,
		pause: sc.Pause.Nanoseconds(),
		addr:  addr,
		poll:  poll,
		conns: make([]client, 0, sc.Conns),
		buf:   make([]byte, 1<<20),
		begun: time.Now(),
	}
	if sc.tcp() || sc.udp() {
		l.request, l.fixed = bytes.Repeat([]byte("x"), echoBytes), echoBytes
	} else {
		l.request = request(sc.Path, sc.Body, sc.Kind == exchangeFresh)
	}
	return l, nil
}

// now is monotonic nanoseconds since the loop was made.
func (l *clientLoop) now() int64 { return time.Since(l.begun).Nanoseconds() }

// open starts n more clients.
func (l *clientLoop) open(n int) {
	for range n {
		l.conns = append(l.conns, client{})
		l.connect(len(l.conns) - 1)
	}
}

// runUntil turns the loop until the time has come.
func (l *clientLoop) runUntil(deadline int64) error {
	for l.now() < deadline {
		if err := l.step(deadline); err != nil {
			return err
		}
	}
	return nil
}

// step waits for events, no longer than until the deadline, and acts on them.
func (l *clientLoop) step(deadline int64) error {
	until := deadline
	if len(l.rests) > 0 {
		until = min(until, l.rests[0].until)
	}
	patience := int(max(until-l.now(), 0)/1e6) + 1
	if len(l.lost) > 0 {
		patience = 1 // a moment to recover: a proxy that refuses is not to be hammered
	}
	for _, ev := range l.poll.wait(patience) {
		l.event(int(ev.Fd), ev.Events)
	}
	if l.errors >= maxErrors {
		return fmt.Errorf("%d errors, the first: %s", l.errors, l.firstError)
	}
	again := l.lost
	l.lost = nil
	for _, at := range again {
		l.connect(at)
	}
	l.rested()
	if now := l.now(); l.kind == datagrams && now-l.looked > lostAfter/4 {
		l.looked = now
		l.findLost()
	}
	return nil
}

// rested begins the next operation of each client whose pause is over.
func (l *clientLoop) rested() {
	now, over := l.now(), 0
	for _, r := range l.rests {
		if r.until > now {
			break
		}
		over++
		if c := &l.conns[r.at]; c.resting { // it is not, if the proxy has closed it meanwhile
			l.next(r.at, c, now)
		}
	}
	l.rests = slices.Delete(l.rests, 0, over)
}

// connect opens a client's connection and begins its operation without waiting for the handshake.
func (l *clientLoop) connect(at int) {
	c := &l.conns[at]
	*c = client{fd: -1, started: l.now(), did: c.did}
	dial, events := dial, uint32(edges)
	if l.kind == datagrams {
		dial, events = dialUDP, edges&^syscall.EPOLLOUT // room is always there
	}
	fd, errno := dial(l.addr)
	if errno != 0 {
		l.fail(at, c, errno)
		return
	}
	c.fd = fd
	if !l.fresh && l.kind != datagrams {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) // without it: slower, not wrong
	}
	if !l.push(at, c) {
		return
	}
	if errno := l.poll.add(fd, events, at); errno != 0 {
		l.fail(at, c, errno)
	}
}

func (l *clientLoop) event(at int, events uint32) {
	c := &l.conns[at]
	if events&syscall.EPOLLOUT != 0 && c.sent < len(l.request) && !l.push(at, c) {
		return
	}
	if events&(syscall.EPOLLIN|gone) != 0 {
		l.read(at, c)
	}
}

// push sends the rest of the request; false when it failed.
func (l *clientLoop) push(at int, c *client) bool {
	for c.sent < len(l.request) {
		n, errno := send(c.fd, l.request[c.sent:])
		if errno == syscall.EAGAIN {
			return true
		}
		if errno != 0 {
			l.fail(at, c, errno)
			return false
		}
		c.sent += n
	}
	return true
}

// smallRead is enough for a head and 16 KiB, so it takes the small responses in one piece; more than that is not copied.
const smallRead = 32 << 10

// read takes what has arrived. A read that did not fill its buffer emptied the socket: more raises a new edge.
func (l *clientLoop) read(at int, c *client) {
	for {
		into, flags := l.buf[:smallRead], 0
		if l.kind == stream {
			into, flags = l.buf, syscall.MSG_TRUNC
		} else if rest := c.want - c.got; rest > smallRead {
			into, flags = l.buf[:min(rest, len(l.buf))], syscall.MSG_TRUNC
		}
		n, errno := recv(c.fd, into, flags)
		if errno == syscall.EAGAIN {
			return
		}
		if errno != 0 {
			l.fail(at, c, errno)
			return
		}
		if n == 0 {
			l.fail(at, c, errClosed)
			return
		}
		if l.kind == stream {
			l.ops += uint64(n)
		} else if err := l.received(c, into[:n]); err != nil {
			l.fail(at, c, err)
			return
		} else if c.want > 0 && c.got == c.want {
			l.complete(at, c)
			return // the response was all there was
		}
		if n < len(into) {
			return
		}
	}
}

// received counts bytes of the response; the first ones say how many there will be.
func (l *clientLoop) received(c *client, data []byte) error {
	c.got += len(data)
	switch {
	case c.want > 0:
	case l.fixed > 0:
		c.want = l.fixed
	default:
		if len(c.partial) > 0 {
			data = append(c.partial, data...)
		}
		size, err := l.sizes.sizeOf(data)
		if err != nil {
			return err
		}
		if c.want = size; size == 0 {
			if c.partial = bytes.Clone(data); len(data) >= smallRead {
				return errLongHead
			}
			return nil
		}
		c.partial = nil
	}
	if c.got > c.want {
		return errExtra
	}
	return nil
}

// complete counts an operation and begins the next.
func (l *clientLoop) complete(at int, c *client) {
	now := l.now()
	l.ops++
	l.latency.add(now - c.started)
	c.did++
	if l.fresh {
		closeFD(c.fd)
		c.fd = -1
	}
	switch {
	case c.did == l.quota:
	case l.fresh:
		l.connect(at)
	case l.pause > 0:
		c.resting = true
		l.rests = append(l.rests, rest{at, now + l.pause})
	default:
		l.next(at, c, now)
	}
}

// next begins an operation on a kept connection.
func (l *clientLoop) next(at int, c *client, now int64) {
	c.started, c.sent, c.got, c.want, c.resting = now, 0, 0, 0, false
	l.push(at, c)
}

// fail counts an error, closes the client's connection and has the loop give it a new one, unless it has done all it was to do.
func (l *clientLoop) fail(at int, c *client, err error) {
	if l.errors++; l.errors == 1 {
		l.firstError = err.Error()
	}
	if c.fd >= 0 {
		closeFD(c.fd)
		c.fd = -1
	}
	if l.quota == 0 || c.did < l.quota {
		l.lost = append(l.lost, at)
	}
}
