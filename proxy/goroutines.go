package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// goroutines is the entry that gives each connection a goroutine.
type goroutines struct {
	of      *Listener
	sockets []net.Listener // one, unless another process has opened more
	slots   chan struct{}  // one for each connection there may be
	count   atomic.Int64
	conns   sync.WaitGroup
	greet   greeter
}

func newGoroutines(l *Listener, sockets []net.Listener) *goroutines {
	return &goroutines{of: l, sockets: sockets, slots: make(chan struct{}, max(l.MaxConnections, 0))}
}

func (g *goroutines) addr() net.Addr { return g.sockets[0].Addr() }
func (g *goroutines) active() int64  { return g.count.Load() }
func (g *goroutines) wait()          { g.conns.Wait() }

func (g *goroutines) hurry(until time.Time) { g.greet.hurry(until) }

func (g *goroutines) close() error {
	var errs []error
	for _, s := range g.sockets {
		if u, ok := s.(*net.UnixListener); ok && g.of.shared.Load() {
			u.SetUnlinkOnClose(false)
		}
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

func (g *goroutines) files() ([]*os.File, error) {
	var all []*os.File
	for _, s := range g.sockets {
		f, err := FileOf(s)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func (g *goroutines) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = g.close() })
	defer stop()
	errs := make(chan error)
	for _, s := range g.sockets {
		go func() { errs <- g.acceptFrom(ctx, s) }()
	}
	var err error
	for range g.sockets {
		if e := <-errs; e != nil && err == nil {
			err = e
			_ = g.close() // the others are to end, too
		}
	}
	return err
}

// acceptFrom serves those who come to one socket until ctx ends, or it is closed.
func (g *goroutines) acceptFrom(ctx context.Context, socket net.Listener) error {
	limited := cap(g.slots) > 0
	for ctx.Err() == nil {
		if limited {
			select {
			case g.slots <- struct{}{}:
			case <-ctx.Done():
				continue
			}
		}
		conn, err := g.accept(ctx, socket)
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
func (g *goroutines) accept(ctx context.Context, socket net.Listener) (net.Conn, error) {
	delay := 5 * time.Millisecond
	for {
		conn, err := socket.Accept()
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
