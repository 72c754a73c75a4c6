//go:build linux

package loop_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// taskless is echo without a task: what it could not send yet, it holds.
type taskless struct {
	loop.Conn
	held *netio.Buffer
	rest []byte // of held
	full func() // called when there is no room
	done func()
}

func (e *taskless) Ready() {
	for {
		n, err := e.WriteNow(e.rest)
		e.rest = e.rest[n:]
		if err == nil && len(e.rest) > 0 {
			e.full()
			return
		}
		if e.held != nil {
			e.held.Free()
			e.held = nil
		}
		if err == nil {
			e.held, err = e.ReceiveNow(buffers)
		}
		if err != nil {
			if e.Close() == nil {
				e.done()
			}
			return
		}
		if e.held == nil {
			return
		}
		e.rest = e.held.B
	}
}

// The client does not read until the handler has found no room, which so has to
// hear of room as well as of bytes.
func TestAHandlerMovesBytesWithoutATask(t *testing.T) {
	full := make(chan struct{})
	addr, _ := serve(t, 1, 0, func(a *loop.Acceptor, l *loop.Loop, fd int, _ netip.AddrPort) {
		e := &taskless{done: a.Done, full: sync.OnceFunc(func() { close(full) })}
		l.Attach(&e.Conn, fd, e)
		e.Ready()
	})
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	p := make([]byte, 1<<20)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	go func() {
		for range 16 {
			c.Write(p)
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	<-full
	got := make([]byte, len(p))
	for range 16 {
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("got other bytes, %v", err)
		}
	}
	if n, err := c.Read(got); err != io.EOF {
		t.Fatalf("then got %d, %v", n, err)
	}
}
