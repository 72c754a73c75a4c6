package tcp

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/spillway-lb/spillway/proxy"
)

// Options is what New takes.
type Options struct {
	// Listener is the listener's name, for logs.
	Listener string
	// Log gets a line for every endpoint that could not be connected and every
	// client that was turned away, at most ten a second. Its handler must not
	// block, see [proxy.LogWriter]. Default: none.
	Log *slog.Logger
	// Access gets a record of every connection that has ended. Default: none.
	Access *proxy.AccessLog
	// Loops serve the connections, with no goroutine for any. Default: none, and
	// then each has a few.
	Loops *proxy.Loops
}

// An Engine relays TCP (or unix) connections to a service's endpoints. It is
// safe for use by many goroutines.
type Engine struct {
	listener string
	log      *proxy.LimitedLog
	access   *proxy.AccessLog
	settings atomic.Pointer[Settings]
	counters Counters
	loops    *proxy.Loops
	homes    sync.Map // of *home, by *loop.Loop
	active   atomic.Int64
	aborted  atomic.Bool

	mu      sync.Mutex
	streams map[*streamSession]struct{}
}

// Counters are those of an engine. What else there is to count is in proxy.Stats.
type Counters = proxy.TCPCounters

// New returns an engine. It resets every client until SetSettings is called.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		listener: o.Listener,
		log:      proxy.NewLimitedLog(o.Log.With("listener", o.Listener), 10),
		access:   o.Access,
		loops:    o.Loops,
		streams:  make(map[*streamSession]struct{}),
	}
	e.settings.Store(new(Settings))
	return e
}

// SetSettings says what is done with connections from now on. Those under way keep
// the settings they began with.
func (e *Engine) SetSettings(s *Settings) { e.settings.Store(s) }

// SetService is SetSettings for who needs no more than a service.
func (e *Engine) SetService(s *proxy.Service) { e.SetSettings(&Settings{Service: s}) }

// Counters are the engine's live counters.
func (e *Engine) Counters() *Counters { return &e.counters }

// Active is the number of connections being served.
func (e *Engine) Active() int { return int(e.active.Load()) }

// Loops are those that serve the connections; nil: goroutines do.
func (e *Engine) Loops() *proxy.Loops { return e.loops }

// ServeConn relays conn to an endpoint and back until both sides have ended. It
// owns conn.
func (e *Engine) ServeConn(conn net.Conn) {
	s := newStreamSession(e, conn)
	e.add(s)
	defer e.remove(s)
	if e.aborted.Load() {
		s.client.Abort()
		return
	}
	e.active.Add(1) // from now on Abort and Cut see s
	defer e.active.Add(-1)
	s.serve()
}

// Drain does nothing: a TCP connection has no place of its own choosing to end
// at, so it goes on until its peers are done, or Abort.
func (e *Engine) Drain() {}

// Abort resets every connection, present and future.
func (e *Engine) Abort() {
	e.aborted.Store(true) // first: who comes now sees it, or is seen
	e.abortLoops()
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.cut(causeAborted)
	}
}

// Cut implements [proxy.Cutter].
func (e *Engine) Cut(doomed proxy.Doomed) {
	e.cutOnLoops(doomed)
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.cutIfDoomed(doomed)
	}
}

func (e *Engine) add(s *streamSession) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams[s] = struct{}{}
}

func (e *Engine) remove(s *streamSession) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.streams, s)
}

var (
	_ proxy.Engine = (*Engine)(nil)
	_ proxy.Cutter = (*Engine)(nil)
)
