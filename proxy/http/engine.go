package http

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// Options is what an engine keeps for life.
type Options struct {
	Listener string // its name, for logs
	// Loops are the event loops that clients are served on; nil: none, and each
	// client has a goroutine. They run for longer than the engine has clients.
	Loops *proxy.Loops
	// Pools has the idle connections to endpoints; engines may share one.
	Pools  *Pools
	Access *proxy.AccessLog // nil: off
	// Log gets failed attempts, clients that were turned away, and panics. Its
	// handler must not block: an event loop that logs is one that does nothing
	// else. See [proxy.LogWriter].
	Log *slog.Logger
}

// Settings is what a reload may change. An exchange keeps those it began with.
type Settings struct {
	Routes *proxy.Routes
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// ClientTimeout is how long a client may take to send a whole head; 0: for
	// ever.
	ClientTimeout time.Duration
	// KeepaliveTimeout is how long a client's connection may be idle between
	// requests; 0: for ever.
	KeepaliveTimeout time.Duration
	// MaxHeaderBytes is the largest head of a request; 0: 65536.
	MaxHeaderBytes int
}

func (s *Settings) limits() h1.Limits { return h1.Limits{HeadBytes: s.MaxHeaderBytes} }

// Engine takes HTTP/1.1 requests to endpoints. It implements proxy.Engine.
type Engine struct {
	opt      Options
	settings atomic.Pointer[Settings]
	draining atomic.Bool // idle connections are to end
	yielding atomic.Bool // connections are to end after their next response

	// Failed attempts in the log: those that were made good, and those that a
	// client got to know.
	retried, failed *proxy.LimitedLog
	reports         *proxy.LimitedLog // load reports that are refused

	aborting context.Context // ends with Abort
	abort    context.CancelFunc

	mu      sync.Mutex
	clients map[*client]struct{} // with a goroutine
	sites   sync.Map             // of clients on loops
}

var (
	_ proxy.Engine  = (*Engine)(nil)
	_ proxy.Yielder = (*Engine)(nil)
)

// New returns an engine, which needs settings before it can serve.
func New(o Options) *Engine {
	e := &Engine{
		opt:     o,
		clients: make(map[*client]struct{}),
		retried: proxy.NewLimitedLog(o.Log, 10),
		failed:  proxy.NewLimitedLog(o.Log, 100),
		reports: proxy.NewLimitedLog(o.Log, 1),
	}
	e.aborting, e.abort = context.WithCancel(context.Background())
	return e
}

// SetSettings replaces the settings for exchanges to come.
func (e *Engine) SetSettings(s *Settings) { e.settings.Store(s) }

func (e *Engine) logPanic(client netip.AddrPort, value any, stack []byte) {
	defer func() { _ = recover() }() // the log panics, too: whoever calls has a connection to end
	e.opt.Log.Error("panic: connection closed", "listener", e.opt.Listener,
		"client", client, "panic", value, "stack", string(stack))
}

func (e *Engine) add(c *client) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isAborted() {
		return false
	}
	e.clients[c] = struct{}{}
	return true
}

func (e *Engine) remove(c *client) {
	e.mu.Lock()
	delete(e.clients, c)
	e.mu.Unlock()
}

// Yield implements [proxy.Yielder].
func (e *Engine) Yield() { e.yielding.Store(true) }

// Drain closes idle connections now and the others after their response. Those
// that were upgraded are left to their peers, until Abort.
func (e *Engine) Drain() {
	e.draining.Store(true)
	e.yielding.Store(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.clients {
		c.hurry(c.phase.Load())
	}
	e.drainLoops()
}

// Abort closes every connection.
func (e *Engine) Abort() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abort()
	for c := range e.clients {
		c.abort()
	}
	e.abortLoops()
}

// Loops implements proxy.LoopEngine.
func (e *Engine) Loops() *proxy.Loops { return e.opt.Loops }

func (e *Engine) isAborted() bool { return e.aborting.Err() != nil }
