package main

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// A demoEndpoint answers every request with its name. It can be killed as a
// process can, and started again at the same address.
type demoEndpoint struct {
	name, addr string
	http       fasthttp.Server

	wg       sync.WaitGroup
	mu       sync.Mutex
	listener net.Listener // nil: dead
	conns    map[net.Conn]bool
}

func newDemoEndpoint(name string) *demoEndpoint {
	e := &demoEndpoint{name: name, addr: "127.0.0.1:0", conns: make(map[net.Conn]bool)}
	e.http = fasthttp.Server{
		Handler:               func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(name + "\n") },
		NoDefaultServerHeader: true,
		Concurrency:           1024,
	}
	return e
}

// start listens; the first time on a free port, then on that one.
func (e *demoEndpoint) start() error {
	l, err := net.Listen("tcp", e.addr)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.addr, e.listener = l.Addr().String(), l
	e.mu.Unlock()
	e.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			e.wg.Go(func() { e.serve(conn) })
		}
	})
	return nil
}

func (e *demoEndpoint) serve(conn net.Conn) {
	e.mu.Lock()
	if e.listener == nil {
		e.mu.Unlock()
		conn.Close()
		return
	}
	e.conns[conn] = true
	e.mu.Unlock()
	_ = e.http.ServeConn(conn) // the error is that of a peer that left
	e.mu.Lock()
	delete(e.conns, conn)
	e.mu.Unlock()
}

// kill closes the port, cuts all connections, and returns when all is gone.
func (e *demoEndpoint) kill() {
	e.mu.Lock()
	if e.listener != nil {
		e.listener.Close()
		e.listener = nil
	}
	for conn := range e.conns {
		conn.Close()
	}
	e.mu.Unlock()
	e.wg.Wait()
}
