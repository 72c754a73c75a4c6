package soak_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// An endpoint is a server that can be killed and comes back at the same address.
type endpoint struct {
	addr  string
	serve func(*endpointConn)
	hear  func(*endpoint, *net.UDPConn) // in place of serve: until the socket is closed
	lag   atomic.Int64                  // a time.Duration before each response

	mu       sync.Mutex
	listener io.Closer // nil: down
	conns    map[*endpointConn]bool
	wg       sync.WaitGroup
}

// An endpointConn is a connection to an endpoint.
type endpointConn struct {
	*net.TCPConn
	at *endpoint
	// untilClose is set while a response is under way that a close would end:
	// then being killed must be a reset. Guarded by at.mu.
	untilClose bool
}

func newEndpoint(of service) (*endpoint, error) {
	e := &endpoint{serve: of.serve, hear: of.hear, conns: map[*endpointConn]bool{}}
	// Not a port that the system gives to clients: while the endpoint is down
	// one of them could get it, or even connect to itself.
	for range 100 {
		e.addr = fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		if e.up() == nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("no free port below 30000")
}

// up begins to listen.
func (e *endpoint) up() error {
	if e.hear != nil {
		return e.upForDatagrams()
	}
	l, err := net.Listen("tcp", e.addr)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener = l
	e.wg.Go(func() { e.accept(l) })
	return nil
}

func (e *endpoint) upForDatagrams() error {
	c, err := net.ListenPacket("udp", e.addr)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener = c
	e.wg.Go(func() { e.hear(e, c.(*net.UDPConn)) })
	return nil
}

func (e *endpoint) isUp() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listener != nil
}

// busy reports whether somebody is connected.
func (e *endpoint) busy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns) > 0
}

// down closes the listener and every connection, with a FIN or a reset.
func (e *endpoint) down(hard bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listener != nil {
		e.listener.Close()
		e.listener = nil
	}
	for c := range e.conns {
		if hard || c.untilClose {
			c.SetLinger(0)
		}
		c.Close()
	}
}

func (e *endpoint) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		conn := &endpointConn{TCPConn: c.(*net.TCPConn), at: e}
		e.mu.Lock()
		if e.listener == l {
			e.conns[conn] = true
			e.wg.Go(conn.live)
		} else {
			c.Close()
		}
		e.mu.Unlock()
	}
}

func (c *endpointConn) live() {
	c.at.serve(c)
	c.at.mu.Lock()
	defer c.at.mu.Unlock()
	c.Close()
	delete(c.at.conns, c)
}

// endsWithClose notes that a close would look like the end of a response.
func (c *endpointConn) endsWithClose(yes bool) {
	c.at.mu.Lock()
	defer c.at.mu.Unlock()
	c.untilClose = yes
}

// wait is how slow the endpoint is at the moment.
func (e *endpoint) wait() { time.Sleep(time.Duration(e.lag.Load())) }

// serveEcho is what TCP endpoints do: they send back what they get.
func serveEcho(c *endpointConn) {
	// Only Write and Read, so that Go does not splice: the pipes are the proxy's.
	io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	c.CloseWrite()
}
