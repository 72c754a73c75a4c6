package udp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

// Options is what New takes.
type Options struct {
	// Name is the listener's, for logs.
	Name string
	// Addr is "host:port" or ":port".
	Addr string
	// Loops are the event loops to serve on. Default: none, and then each session
	// has a goroutine.
	Loops *proxy.Loops
	// MaxSessions is how many sessions there may be; datagrams of more clients are
	// dropped. 0: no limit but that of descriptors and ports.
	MaxSessions int
	// DrainTimeout is how long sessions may go on after Serve's context has ended.
	// Those that are silent for two seconds end before. 0: not at all.
	DrainTimeout time.Duration
	// Sockets are open already; Listen takes them, in place of opening Addr, and closes
	// the files. Default: none.
	Sockets []*os.File
	// Log gets a line for every endpoint that could not be reached and every client
	// that was turned away, at most ten a second. Its handler must not block, see
	// [proxy.LogWriter]. Default: none.
	Log *slog.Logger
	// Access gets a record of every session that has ended. Default: none.
	Access *proxy.AccessLog
}

const (
	// defaultIdle is for services that do not say.
	defaultIdle = 60 * time.Second
	// drainSilence ends a session of a listener that drains: its client has what
	// it asked for, or asks again, and is to do so elsewhere.
	drainSilence = 2 * time.Second
)

// A Listener passes datagrams between clients and the endpoints of a service.
// Call Listen, SetService, then Serve. It is safe for use by many goroutines.
type Listener struct {
	opt     Options
	log     *proxy.LimitedLog
	epoch   time.Time
	service atomic.Pointer[proxy.Service]
	pins    pins
	drops   proxy.UDPDrops
	active  atomic.Int64

	draining atomic.Bool
	ctx      context.Context // of lookups
	cancel   context.CancelFunc
	lookups  sync.WaitGroup

	local  netip.AddrPort
	port   uint16
	mu     sync.Mutex
	shards []*shard
	begun  bool // Serve was called
	over   bool // and has nothing more to do but to wait
	closed bool
}

// New returns a listener that is not open yet.
func New(o Options) *Listener {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Listener{opt: o, epoch: time.Now(), pins: pins{m: make(map[pinKey]*pin)}}
	l.log = proxy.NewLimitedLog(o.Log.With("listener", o.Name), 10)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Listen opens the address, so that a wrong one is known before anything runs.
func (l *Listener) Listen() error {
	open := l.openStream
	if l.opt.Loops != nil {
		open = l.openLoops
	}
	err := open()
	for _, f := range l.opt.Sockets {
		_ = f.Close() // those that were taken are duplicates
	}
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.opt.Name, err)
	}
	l.port = l.local.Port()
	return nil
}

// SetService says where clients go from now on. Sessions stay on the endpoint that
// they are on, until they have to leave it. nil: nowhere.
func (l *Listener) SetService(s *proxy.Service) { l.service.Store(s) }

// LocalAddr is the address that Listen opened.
func (l *Listener) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(l.local) }

// Active is the number of sessions.
func (l *Listener) Active() int64 { return l.active.Load() }

// Drops count what was not passed on.
func (l *Listener) Drops() *proxy.UDPDrops { return &l.drops }

// Serve passes datagrams on until ctx ends. Then clients without a session are
// turned away, sessions end by themselves for DrainTimeout, what is left is
// dropped, and Serve returns nil when nothing is left. The address is taken until
// then: answers come from it.
func (l *Listener) Serve(ctx context.Context) error {
	l.mu.Lock()
	if l.closed || l.begun {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.begun = true
	shards := l.shards
	l.mu.Unlock()
	for _, x := range shards {
		x.wire.start()
	}
	<-ctx.Done()
	l.drain()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	for _, x := range shards {
		x.wire.enter(func() { x.stop(causeAborted) })
	}
	l.cancel()
	l.lookups.Wait()
	for _, x := range shards {
		x.wire.wait()
	}
	return nil
}

// drain waits for the sessions to end.
func (l *Listener) drain() {
	l.draining.Store(true)
	over := time.NewTimer(l.opt.DrainTimeout)
	defer over.Stop()
	ask := time.NewTicker(minTick)
	defer ask.Stop()
	for l.Active() > 0 {
		select {
		case <-ask.C:
		case <-over.C:
			if n := l.Active(); n > 0 {
				l.opt.Log.Warn("drain timeout: sessions aborted", "listener", l.opt.Name, "sessions", n)
			}
			return
		}
	}
}

// Files returns duplicates of the listening sockets, to be passed to another process.
// The caller closes them. It is for between Listen and the end of Serve.
func (l *Listener) Files() ([]*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.closed && !l.begun {
		return nil, net.ErrClosed
	}
	var all []*os.File
	for _, x := range l.shards {
		f, err := x.wire.file()
		if err != nil {
			for _, f := range all {
				_ = f.Close()
			}
			return nil, fmt.Errorf("listener %q: %w", l.opt.Name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// HandOver leaves what clients send to another process that has the sockets. Sessions
// go on with what endpoints answer, until they have been silent for two seconds.
func (l *Listener) HandOver() {
	l.draining.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.serving() {
		return
	}
	for _, x := range l.shards {
		x.wire.enter(x.wire.leave)
	}
}

// Close closes the address, if Serve has not begun. Else it turns away clients
// without a session, and the address is free when Serve has returned.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	l.draining.Store(true)
	if l.begun {
		return nil
	}
	l.cancel()
	var errs []error
	for _, x := range l.shards {
		errs = append(errs, x.wire.discard())
	}
	return errors.Join(errs...)
}

// Abort ends every session at once, and turns away clients from then on. It does
// not wait.
func (l *Listener) Abort() {
	l.draining.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.serving() {
		return
	}
	for _, x := range l.shards {
		x.wire.enter(x.abort)
	}
}

// Cut forgets the sessions on endpoints that are to be left, so that the next
// datagrams of their clients find others. It implements [proxy.Cutter].
func (l *Listener) Cut(doomed proxy.Doomed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.serving() {
		return
	}
	for _, x := range l.shards {
		x.wire.enter(func() { x.cut(doomed) })
	}
}

// serving reports whether shards may be entered. Caller holds l.mu.
func (l *Listener) serving() bool { return l.begun && !l.over }

var _ proxy.Cutter = (*Listener)(nil)

// admit counts a session in, if there is room.
func (l *Listener) admit() bool {
	if n := l.active.Add(1); l.opt.MaxSessions == 0 || n <= int64(l.opt.MaxSessions) {
		return true
	}
	l.active.Add(-1)
	return false
}

// idle is how long sessions may be silent, by the service of the moment.
func (l *Listener) idle() time.Duration {
	d := defaultIdle
	if s := l.service.Load(); s != nil {
		switch {
		case s.Tracking.PerSession && s.Tracking.IdleTimeout > 0:
			d = s.Tracking.IdleTimeout
		case s.Timeout > 0:
			d = s.Timeout
		}
	}
	if l.draining.Load() {
		d = min(d, drainSilence)
	}
	return d
}
