package admin

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// connections are the open connections of a server, and which of them have a
// request under way. The zero value has none.
type connections struct {
	mu       sync.Mutex
	busy     map[net.Conn]bool
	draining bool
}

func (c *connections) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		conn.Close()
		return
	}
	if c.busy == nil {
		c.busy = make(map[net.Conn]bool)
	}
	c.busy[conn] = false
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, conn)
}

// changed is fasthttp's report that a request began or that its response is
// sent.
func (c *connections) changed(conn net.Conn, state fasthttp.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ours := c.busy[conn]; !ours {
		return
	}
	c.busy[conn] = state == fasthttp.StateActive
	if c.draining && state == fasthttp.StateIdle {
		conn.Close()
	}
}

// drain closes idle connections now and the others after their response.
func (c *connections) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for conn, busy := range c.busy {
		if !busy {
			conn.Close()
		}
	}
}

// abort closes all of them.
func (c *connections) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.busy {
		conn.Close()
	}
}
