package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
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
	// Transparent lets clients in whom TPROXY has brought here although they dialed
	// somebody else. Linux only, and it needs CAP_NET_ADMIN or CAP_NET_RAW. A Unix
	// socket cannot be.
	Transparent bool
	// MaxConnections is how many connections are served at once; more wait in
	// the kernel's queue. 0: no limit.
	MaxConnections int
	// DrainTimeout is how long connections may go on after Serve's context has
	// ended. 0: not at all.
	DrainTimeout time.Duration
	// Sockets are open already and listen; Listen takes them, in place of opening
	// Addr, and closes the files. Default: none.
	Sockets []*os.File
	// Shared says that another process has Sockets, too, and goes on with them, as
	// systemd does, or a process that this one is to replace, until Own is called: to stop
	// listening leaves it those who wait to be accepted, and the path of a Unix socket.
	Shared bool
	// Log gets what goes wrong with accepting and draining. Its handler must
	// not block, see [LogWriter]. Default: none.
	Log *slog.Logger

	entry    entry
	headers  atomic.Pointer[ProxyHeaders]
	counters HeaderCounters
	refused  *LimitedLog
	shared   atomic.Bool // another process has the sockets, too
	heir     atomic.Bool // which accepts from now on
}

// An Arrival says between which addresses a client has connected. These need
// not be its socket's: a proxy in front may have told of others.
type Arrival struct {
	// Peer is the client; invalid for a Unix socket's.
	Peer netip.AddrPort
	// Local is the address that the client has connected to. Invalid: that of the
	// socket, which can be asked.
	Local netip.AddrPort
}

// An entry is an open address: for connections that get a goroutine each, or
// for those that live on event loops.
type entry interface {
	addr() net.Addr
	// serve accepts until ctx ends, or nothing more can be accepted.
	serve(ctx context.Context) error
	// close stops accepting. When it returns the address is free.
	close() error
	// files returns duplicates of the listening sockets.
	files() ([]*os.File, error)
	// hurry gives connections whose PROXY header has not come until then. It is
	// for after close.
	hurry(until time.Time)
	active() int64
	// wait waits until every connection has ended. It is for after serve.
	wait()
}

// Listen opens the address, so that a wrong one is known before anything runs.
func (l *Listener) Listen() error {
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	l.refused = NewLimitedLog(l.Log.With("listener", l.Name), 10)
	l.shared.Store(l.Shared)
	entry, err := l.open()
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.Name, err)
	}
	l.entry = entry
	return nil
}

func (l *Listener) open() (entry, error) {
	if e, ok := l.Engine.(LoopEngine); ok && e.Loops() != nil {
		return openLoops(l, e)
	}
	if len(l.Sockets) > 0 {
		sockets, err := l.adopt()
		return newGoroutines(l, sockets), err
	}
	socket, err := listen(l.Addr, listenConfig(l.Transparent))
	if err != nil {
		return nil, err
	}
	return newGoroutines(l, []net.Listener{socket}), nil
}

// Listen opens "host:port", ":port" or "unix:/path". A socket that a crashed
// process left at the path is replaced, one that is in use is not.
func Listen(addr string) (net.Listener, error) {
	return listen(addr, listenConfig(false))
}

func listen(addr string, config net.ListenConfig) (net.Listener, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
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
func (l *Listener) LocalAddr() net.Addr { return l.entry.addr() }

// Active is the number of connections being served.
func (l *Listener) Active() int64 { return l.entry.active() }

// Close stops listening. Serve, if it runs, goes on with what it has.
func (l *Listener) Close() error { return l.entry.close() }

// Serve accepts connections until ctx ends. Then it stops listening, lets
// connections end by themselves for DrainTimeout, aborts what is left, and
// returns nil when every connection is gone.
func (l *Listener) Serve(ctx context.Context) error {
	err := l.entry.serve(ctx)
	_ = l.entry.close()
	if ctx.Err() != nil {
		err = nil
	}
	l.drain()
	return err
}

// acceptFailed says in the log that accepting has failed for the moment.
func (l *Listener) acceptFailed(err error, retry time.Duration) {
	l.Log.Warn("accept failed", "listener", l.Name, "error", err, "retry_in", retry)
}

// drain waits for the connections to end, and makes them when the time is up.
func (l *Listener) drain() {
	gone := make(chan struct{})
	go func() {
		l.entry.wait()
		close(gone)
	}()
	timeout := l.DrainTimeout
	l.entry.hurry(time.Now().Add(headerGrace))
	if y, ok := l.Engine.(Yielder); ok && l.heir.Load() {
		y.Yield()
		timeout /= 2
		if endsWithin(gone, timeout) {
			return
		}
	}
	l.Engine.Drain()
	if endsWithin(gone, timeout) {
		return
	}
	if n := l.Active(); n > 0 {
		l.Log.Warn("drain timeout: connections aborted", "listener", l.Name, "connections", n)
	}
	l.entry.hurry(time.Now())
	l.Engine.Abort()
	<-gone
}

// endsWithin waits until gone is closed, or a time is over.
func endsWithin(gone <-chan struct{}, timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-gone:
		return true
	case <-timer.C:
		return false
	}
}
