//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"syscall"
)

// endpointCount is how many endpoints of each role there are; all live in one process, on one event loop.
const endpointCount = 4

// endpointAddrs is what the endpoint process prints when it is ready: the addresses of each role.
type endpointAddrs struct {
	HTTP, Echo, Stream, Datagrams []string
}

// A role is what an endpoint does with a connection.
type role uint8

const (
	roleHTTP      role = iota // answers requests
	roleEcho                  // sends back what it receives
	roleStream                // sends for ever once it has received anything
	roleDatagrams             // sends back what it receives, over UDP
)

// endpointLoop serves every endpoint. Sockets are edge-triggered and registered once, listeners level-triggered.
type endpointLoop struct {
	poll      *poller
	listeners map[int]listener
	conns     []endpointConn // by descriptor
	buf       []byte         // shared: no connection keeps anything in it
	bulk      []byte         // what streams send
	answers   []answer
}

type listener struct {
	role  role
	index int
}

type answer struct {
	prefix   []byte // of the head: method and path
	response []byte
}

type endpointConn struct {
	role    role
	open    bool
	index   int    // which endpoint it came to
	partial []byte // a head that has begun; rare
	report  []byte // the head of a request to /echo while its body arrives
	reply   []byte // the response once the body is complete
	skip    int    // bytes of the body still to come
	body    int    // bytes of the body in all
	out     []byte // what the socket had no room for
}

// runEndpoint serves until it is killed. It writes its addresses to w as JSON, one line, as soon as they accept.
func runEndpoint(w io.Writer) error {
	poll, err := newPoller()
	if err != nil {
		return err
	}
	l := &endpointLoop{
		poll:      poll,
		listeners: map[int]listener{},
		conns:     make([]endpointConn, 1<<16),
		buf:       make([]byte, 256<<10),
		bulk:      bytes.Repeat([]byte("x"), 256<<10),
	}
	for _, n := range []int{128, 16 << 10, slowBody, 1 << 20} {
		l.answers = append(l.answers, answer{fmt.Appendf(nil, "GET /%d ", n), canned(n)})
	}
	l.answers = append(l.answers, answer{[]byte("POST /128 "), canned(128)})

	var addrs endpointAddrs
	for r, list := range map[role]*[]string{roleHTTP: &addrs.HTTP, roleEcho: &addrs.Echo, roleStream: &addrs.Stream, roleDatagrams: &addrs.Datagrams} {
		open := l.listen
		if r == roleDatagrams {
			open = l.listenUDP
		}
		for i := range endpointCount {
			addr, err := open(listener{r, i})
			if err != nil {
				return err
			}
			*list = append(*list, addr)
		}
	}
	if err := json.NewEncoder(w).Encode(addrs); err != nil {
		return err
	}
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // the loop allocates for checks only
	for {
		for _, ev := range l.poll.wait(-1) {
			l.event(int(ev.Fd), ev.Events)
		}
	}
}

// listen opens a loopback port and keeps only its descriptor: the Go runtime has no part in it.
func (l *endpointLoop) listen(as listener) (addr string, err error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return "", err
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		return "", err
	}
	// File leaves the descriptor blocking; accepted sockets inherit no-delay.
	if err := syscall.SetNonblock(fd, true); err != nil {
		return "", err
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return "", err
	}
	if errno := l.poll.add(fd, syscall.EPOLLIN, fd); errno != 0 {
		return "", errno
	}
	l.listeners[fd] = as
	return ln.Addr().String(), nil
}

func (l *endpointLoop) event(fd int, events uint32) {
	c := &l.conns[fd]
	if !c.open {
		switch as, found := l.listeners[fd]; {
		case found && as.role == roleDatagrams:
			l.sendBack(fd)
		case found:
			l.accept(fd, as)
		}
		return
	}
	if events&syscall.EPOLLOUT != 0 && len(c.out) > 0 && !l.flush(fd, c) {
		return
	}
	if events&syscall.EPOLLIN != 0 {
		l.read(fd, c)
		return
	}
	if events&gone != 0 {
		l.close(fd, c)
	}
}

// accept takes what waits, in batches, so that a flood of connections does not starve those that are open.
func (l *endpointLoop) accept(from int, as listener) {
	for range 16 {
		fd, errno := accept(from)
		if errno != 0 {
			return
		}
		if fd >= len(l.conns) || l.poll.add(fd, edges, fd) != 0 {
			closeFD(fd)
			continue
		}
		l.conns[fd] = endpointConn{role: as.role, index: as.index, open: true}
	}
}

func (l *endpointLoop) close(fd int, c *endpointConn) {
	*c = endpointConn{}
	closeFD(fd)
}

// read takes what has arrived. A read that did not fill the buffer emptied the socket, so the next bytes raise a new edge.
func (l *endpointLoop) read(fd int, c *endpointConn) {
	for {
		flags := 0
		if c.skip >= len(l.buf) {
			flags = syscall.MSG_TRUNC // all of it will be the body's: nobody looks
		}
		n, errno := recv(fd, l.buf, flags)
		if errno == syscall.EAGAIN {
			return
		}
		if n <= 0 || errno != 0 || !l.received(fd, c, l.buf[:n], flags != 0) {
			l.close(fd, c)
			return
		}
		if n < len(l.buf) {
			return
		}
	}
}

// received acts on bytes by role; false ends the connection.
func (l *endpointLoop) received(fd int, c *endpointConn, data []byte, dropped bool) bool {
	switch {
	case c.role == roleEcho:
		return l.send(fd, c, data)
	case c.role == roleStream:
		return l.send(fd, c, l.bulk)
	case dropped:
		c.skip -= len(data)
		return c.skip > 0 || l.respond(fd, c)
	default:
		return l.requests(fd, c, data)
	}
}

// requests follows heads and bodies; what is no request it can answer ends the connection, and the load counts an error.
func (l *endpointLoop) requests(fd int, c *endpointConn, data []byte) bool {
	for len(data) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(data))
			c.skip -= n
			data = data[n:]
			if c.skip == 0 && !l.respond(fd, c) {
				return false
			}
			continue
		}
		if len(c.partial) > 0 {
			data = append(c.partial, data...)
			c.partial = nil
		}
		end := bytes.Index(data, endOfHead)
		if end < 0 {
			c.partial = bytes.Clone(data)
			return len(data) < 64<<10
		}
		head := data[:end+len(endOfHead)]
		data = data[len(head):]
		if !l.begin(c, head) {
			return false
		}
		if c.skip == 0 && !l.respond(fd, c) {
			return false
		}
	}
	return true
}

// begin decides from a head what the response will be and how long the body is.
func (l *endpointLoop) begin(c *endpointConn, head []byte) bool {
	if head[0] == 'P' {
		if c.skip = contentLength(head); c.skip < 0 {
			return false // a chunked upload: no scenario sends one, so the proxy has changed the request
		}
	}
	for i := range l.answers {
		if bytes.HasPrefix(head, l.answers[i].prefix) {
			c.reply = l.answers[i].response
			return true
		}
	}
	if _, path, _ := bytes.Cut(head, []byte(" ")); bytes.HasPrefix(path, []byte("/echo ")) {
		c.report, c.body = bytes.Clone(head), c.skip
		return true
	}
	return false
}

func (l *endpointLoop) respond(fd int, c *endpointConn) bool {
	if c.report != nil {
		c.reply = describe(c.index, c.body, c.report)
		c.report = nil
	}
	return l.send(fd, c, c.reply)
}

// describe makes the response to /echo, by which the harness checks what a proxy does to a request: which endpoint got it,
// how long its body was, and its head.
func describe(index, body int, head []byte) []byte {
	text := fmt.Sprintf("endpoint: %d\nbody: %d\n%s", index, body, head)
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

// send writes data and keeps what does not fit. Nobody talks while the other side is still sending: that ends the connection.
func (l *endpointLoop) send(fd int, c *endpointConn, data []byte) bool {
	if len(c.out) > 0 {
		return c.role == roleStream
	}
	if c.role == roleEcho {
		n, errno := send(fd, data)
		if errno != 0 && errno != syscall.EAGAIN {
			return false
		}
		if n = max(n, 0); n < len(data) {
			c.out = bytes.Clone(data[n:]) // data is the shared buffer
		}
		return true
	}
	c.out = data
	return l.push(fd, c)
}

// flush goes on with what did not fit before; false when the connection ended.
func (l *endpointLoop) flush(fd int, c *endpointConn) bool {
	if !l.push(fd, c) {
		l.close(fd, c)
		return false
	}
	return true
}

// push sends c.out until it is gone or the socket is full; a stream never runs out.
func (l *endpointLoop) push(fd int, c *endpointConn) bool {
	for len(c.out) > 0 {
		n, errno := send(fd, c.out)
		if errno == syscall.EAGAIN {
			return true
		}
		if errno != 0 {
			return false
		}
		if c.out = c.out[n:]; len(c.out) == 0 && c.role == roleStream {
			c.out = l.bulk
		}
	}
	return true
}
