package tcp

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
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
}

// An Engine relays TCP (or unix) connections to a service's endpoints. It is
// safe for use by many goroutines.
type Engine struct {
	listener string
	log      *proxy.LimitedLog
	access   *proxy.AccessLog
	service  atomic.Pointer[proxy.Service]
	counters Counters

	mu       sync.Mutex
	sessions map[*session]struct{}
	aborted  bool
}

// Counters only grow. What else there is to count is in proxy.Stats.
type Counters struct {
	// Refused is how many clients were reset because no endpoint could be had.
	Refused atomic.Uint64
	// IdleTimeouts is how many connections were closed because of silence, and
	// Copied, by Reason, the bytes that went through user memory.
	relay.Counters
}

// Reason says why bytes were copied rather than spliced.
type Reason = relay.Reason

// The reasons.
const (
	Small       = relay.Small       // no bulk: copying is as cheap
	NoSocket    = relay.NoSocket    // one side is no plain socket: TLS, or another wrapper
	Platform    = relay.Platform    // this system has no splice
	Descriptors = relay.Descriptors // none left for a pipe, or the kernel refused
)

// Reasons names the reasons.
var Reasons = relay.Reasons

// New returns an engine. It resets every client until SetService is called.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		listener: o.Listener,
		log:      proxy.NewLimitedLog(o.Log.With("listener", o.Listener), 10),
		access:   o.Access,
		sessions: make(map[*session]struct{}),
	}
}

// SetService says where connections from now on go. Those under way keep the
// service they began with.
func (e *Engine) SetService(s *proxy.Service) { e.service.Store(s) }

// Counters are the engine's live counters.
func (e *Engine) Counters() *Counters { return &e.counters }

// Active is the number of connections being served.
func (e *Engine) Active() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions)
}

// ServeConn relays conn to an endpoint and back until both sides have ended. It
// owns conn.
func (e *Engine) ServeConn(conn net.Conn) {
	s := newSession(e, conn)
	if !e.add(s) {
		s.client.Abort()
		return
	}
	defer e.remove(s)
	s.serve()
}

// Drain does nothing: a TCP connection has no place of its own choosing to end
// at, so it goes on until its peers are done, or Abort.
func (e *Engine) Drain() {}

// Abort resets every connection, present and future.
func (e *Engine) Abort() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.aborted = true
	for s := range e.sessions {
		s.cut(causeAborted)
	}
}

func (e *Engine) add(s *session) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.aborted {
		e.sessions[s] = struct{}{}
	}
	return !e.aborted
}

func (e *Engine) remove(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s)
}

var _ proxy.Engine = (*Engine)(nil)
