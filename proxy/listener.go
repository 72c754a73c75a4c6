package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener accepts connections on one address and hands them to an engine.
// Fill in the fields, call Listen, then Serve.
type Listener struct {
	Name string
	// Addr is "host:port", ":port" or "unix:/path".
	Addr   string
	Engine Engine
	// MaxConnections is how many connections are served at once; more wait in
	// the kernel's queue. 0: no limit.
	MaxConnections int
	// DrainTimeout is how long connections may go on after Serve's context has
	// ended. 0: not at all.
	DrainTimeout time.Duration
	// Log gets what goes wrong with accepting and draining. Its handler must
	// not block, see [LogWriter].
	Log *slog.Logger

	socket net.Listener
	active atomic.Int64
}

// Listen opens the address, so that a wrong one is known before anything runs.
func (l *Listener) Listen() error {
	socket, err := Listen(l.Addr)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.Name, err)
	}
	l.socket = socket
	return nil
}

// Listen opens "host:port", ":port" or "unix:/path". A socket that a crashed
// process left at the path is replaced, one that is in use is not.
func Listen(addr string) (net.Listener, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	config := listenConfig()
	config.SetMultipathTCP(false) // no client of ours speaks it, and its sockets cost more
	return config.Listen(context.Background(), network, addr)
}

// removeStale removes a socket that a crashed process left behind: one that
// nobody answers on. Anything else at the path is an error.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("%s is in use by another process", path)
	}
	return os.Remove(path)
}

// LocalAddr is the address that Listen opened.
func (l *Listener) LocalAddr() net.Addr { return l.socket.Addr() }

// Active is the number of connections being served.
func (l *Listener) Active() int64 { return l.active.Load() }

// Close closes the address without serving it.
func (l *Listener) Close() error { return l.socket.Close() }

// Serve accepts connections until ctx ends. Then it stops listening, lets
// connections end by themselves for DrainTimeout, aborts what is left, and
// returns nil when every connection is gone.
func (l *Listener) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.socket.Close() })
	defer stop()

	var conns sync.WaitGroup
	slots := make(chan struct{}, max(l.MaxConnections, 0))
	var failure error
	for ctx.Err() == nil {
		if l.MaxConnections > 0 {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				continue
			}
		}
		conn, err := l.accept(ctx)
		if err != nil {
			failure = err
			break
		}
		l.active.Add(1)
		conns.Go(func() {
			l.Engine.ServeConn(conn)
			l.active.Add(-1)
			if l.MaxConnections > 0 {
				<-slots
			}
		})
	}
	l.socket.Close()
	if ctx.Err() != nil {
		failure = nil
	}
	l.drain(&conns)
	return failure
}

// accept waits for the next connection. Errors of the moment, such as running
// out of descriptors, are waited out: a proxy that stops listening because it
// is busy would be a poor one.
func (l *Listener) accept(ctx context.Context) (net.Conn, error) {
	delay := 5 * time.Millisecond
	for {
		conn, err := l.socket.Accept()
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		l.Log.Warn("accept failed", "listener", l.Name, "error", err, "retry_in", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		delay = min(2*delay, time.Second)
	}
}

// drain waits for the connections to end, and makes them when the time is up.
func (l *Listener) drain(conns *sync.WaitGroup) {
	l.Engine.Drain()
	gone := make(chan struct{})
	go func() {
		conns.Wait()
		close(gone)
	}()
	timer := time.NewTimer(l.DrainTimeout)
	defer timer.Stop()
	select {
	case <-gone:
		return
	case <-timer.C:
	}
	if n := l.Active(); n > 0 {
		l.Log.Warn("drain timeout: connections aborted", "listener", l.Name, "connections", n)
	}
	l.Engine.Abort()
	<-gone
}
