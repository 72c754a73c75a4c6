package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// goroutines is the entry that gives each connection a goroutine.
type goroutines struct {
	of     *Listener
	socket net.Listener
	slots  chan struct{} // one for each connection there may be
	count  atomic.Int64
	conns  sync.WaitGroup
	greet  greeter
}

func newGoroutines(l *Listener, socket net.Listener) *goroutines {
	return &goroutines{of: l, socket: socket, slots: make(chan struct{}, max(l.MaxConnections, 0))}
}

func (g *goroutines) addr() net.Addr { return g.socket.Addr() }
func (g *goroutines) close() error   { return g.socket.Close() }
func (g *goroutines) active() int64  { return g.count.Load() }
func (g *goroutines) wait()          { g.conns.Wait() }

func (g *goroutines) hurry(until time.Time) { g.greet.hurry(until) }

func (g *goroutines) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { g.socket.Close() })
	defer stop()
	limited := cap(g.slots) > 0
	for ctx.Err() == nil {
		if limited {
			select {
			case g.slots <- struct{}{}:
			case <-ctx.Done():
				continue
			}
		}
		conn, err := g.accept(ctx)
		if err != nil {
			return err
		}
		g.count.Add(1)
		g.conns.Go(func() {
			if conn := g.greet.greet(g.of, conn); conn != nil {
				g.of.Engine.ServeConn(conn)
			}
			g.count.Add(-1)
			if limited {
				<-g.slots
			}
		})
	}
	return nil
}

// accept waits for the next connection. Errors of the moment, such as running
// out of descriptors, are waited out: a proxy that stops listening because it
// is busy would be a poor one.
func (g *goroutines) accept(ctx context.Context) (net.Conn, error) {
	delay := 5 * time.Millisecond
	for {
		conn, err := g.socket.Accept()
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		g.of.acceptFailed(err, delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		delay = min(2*delay, time.Second)
	}
}
