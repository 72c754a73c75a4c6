//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"syscall"
)

// The floor is what the kernel takes for an operation, and no proxy can be below it with these system calls: one event loop that
// accepts, receives and sends, and otherwise does nothing. It reads no request (only that it is the last, and where its
// response ends), adds no field, watches no clock, and is wrong about everything but the harness's own messages.

// A floorSpec is what the program's file says.
type floorSpec struct {
	HTTP, Echo string // addresses to listen on
	ToHTTP     []string
	ToEcho     []string
}

func floorConfig(p plan) string {
	text, _ := json.MarshalIndent(floorSpec{p.HTTP, p.Echo, p.To.HTTP, p.To.Echo}, "", "\t") // strings always can be
	return string(text) + "\n"
}

// hasFloor says whether the floor is known: not where bytes are to be spliced, nor for several workers.
func hasFloor(sc scenario) bool {
	return !sc.Bulk && !sc.udp() && sc.workers() == 1 && sc.Kind != idle && sc.Kind != besides
}

type floor struct {
	poll  *poller
	conns map[int]*floorConn
	buf   []byte
	sizes responseSizer
}

// A floorPort is an address to listen on, and where its connections go.
type floorPort struct {
	http bool
	to   []*syscall.RawSockaddrInet4
	next int
	idle []*floorConn
}

type floorConn struct {
	fd        int
	port      *floorPort // that it is to be accepted from; of a client: that it came from
	listens   bool
	endpoint  bool
	last      bool // the client wants the connection closed
	got, want int  // bytes of the response to the client
	peer      *floorConn
}

func runFloor(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec floorSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	poll, err := newPoller()
	if err != nil {
		return err
	}
	f := &floor{poll: poll, conns: make(map[int]*floorConn), buf: make([]byte, 256<<10)}
	if err := f.listen(spec.HTTP, spec.ToHTTP, true); err != nil {
		return err
	}
	if err := f.listen(spec.Echo, spec.ToEcho, false); err != nil {
		return err
	}
	for {
		for _, ev := range poll.wait(-1) {
			c := f.conns[int(ev.Fd)]
			switch {
			case c == nil:
			case c.listens:
				f.accept(c)
			default:
				f.pass(c)
			}
		}
	}
}

func (f *floor) listen(addr string, to []string, http bool) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	fd := int(file.Fd())
	_ = syscall.SetNonblock(fd, true)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) // inherited
	port := &floorPort{http: http}
	for _, a := range to {
		sa, err := sockaddr(a)
		if err != nil {
			return err
		}
		port.to = append(port.to, sa)
	}
	if errno := f.poll.add(fd, syscall.EPOLLIN, fd); errno != 0 {
		return errno
	}
	f.conns[fd] = &floorConn{fd: fd, port: port, listens: true}
	return nil
}

func (f *floor) accept(l *floorConn) {
	fd, errno := accept(l.fd)
	if errno != 0 {
		return
	}
	c := &floorConn{fd: fd, port: l.port}
	if c.peer = f.take(c); c.peer == nil {
		closeFD(fd)
		return
	}
	f.conns[fd] = c
	if l.port.http && f.pass(c) && c.last {
		return // it will be closed in a moment: no need to hear of it
	}
	f.poll.add(fd, edges, fd)
}

// take finds a connection to an endpoint: each in turn, or one that is at rest.
func (f *floor) take(c *floorConn) *floorConn {
	p := c.port
	if n := len(p.idle); n > 0 {
		e := p.idle[n-1]
		p.idle = p.idle[:n-1]
		e.peer = c
		return e
	}
	p.next++
	fd, errno := dial(p.to[p.next%len(p.to)])
	if errno != 0 {
		return nil
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	e := &floorConn{fd: fd, port: p, endpoint: true, peer: c}
	f.conns[fd] = e
	f.poll.add(fd, edges, fd)
	return e
}

var (
	closing = []byte("Connection: close")
	kept    = []byte("X-onnection: close")[:len(closing)]
)

// pass passes on what c has. It reports whether there was anything.
func (f *floor) pass(c *floorConn) bool {
	n, errno := recv(c.fd, f.buf, 0)
	switch {
	case errno == syscall.EAGAIN:
		return false
	case n <= 0 || errno != 0 || c.peer == nil:
		f.end(c)
		return false
	}
	p := f.buf[:n]
	if c.port.http && !c.endpoint {
		if at := bytes.Index(p, closing); at >= 0 {
			copy(p[at:], kept) // the connection to the endpoint stays
			c.last = true
		}
	}
	for rest := p; len(rest) > 0; {
		n, errno := send(c.peer.fd, rest)
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.ENOTCONN {
			f.end(c)
			return false
		}
		rest = rest[max(n, 0):] // it insists: the harness always reads
	}
	if c.endpoint && c.peer.last {
		f.answered(c, p)
	}
	return true
}

// answered looks whether that was all of the client's last response.
func (f *floor) answered(e *floorConn, p []byte) {
	c := e.peer
	if c.want == 0 {
		size, err := f.sizes.sizeOf(p)
		if err != nil || size == 0 {
			panic(fmt.Sprint("a response that is none: ", err))
		}
		c.want = size
	}
	if c.got += len(p); c.got == c.want {
		f.end(c)
	}
}

// end closes c and what belongs to it, but for a connection to an endpoint that others can use.
func (f *floor) end(c *floorConn) {
	delete(f.conns, c.fd)
	closeFD(c.fd)
	p := c.peer
	switch {
	case p == nil:
	case p.endpoint && p.port.http:
		p.peer = nil
		p.port.idle = append(p.port.idle, p)
	default:
		p.peer = nil
		delete(f.conns, p.fd)
		closeFD(p.fd)
	}
}
