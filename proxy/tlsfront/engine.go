package tlsfront

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// Options is what an engine keeps for life.
type Options struct {
	Listener string // its name, for logs
	// Engine serves what is inside TLS. Its connections have goroutines: event
	// loops know nothing of TLS.
	Engine proxy.Engine
	// HTTP says that it is HTTP/1.1: clients that negotiate a protocol (ALPN)
	// are told so, and those that speak HTTP without TLS are told to speak it.
	HTTP bool
	// MaxHandshakes is how many clients may keep us waiting in the midst of their
	// handshakes for more than a second, and a quarter of how many for less. Default:
	// 1024 for each core. One takes 10 kB, or up to 100 kB of a hostile client's.
	MaxHandshakes int
	// Log gets failed handshakes at level debug, and what becomes of the files.
	// Its handler must not block, see [proxy.LogWriter]. Default: none.
	Log *slog.Logger
}

// An Engine makes TLS handshakes and hands the connections on. It implements
// proxy.Engine, and has something to do besides: see Run. It needs material
// before it can serve.
type Engine struct {
	opt      Options
	log      *proxy.LimitedLog
	counters Counters
	current  atomic.Pointer[state]
	draining atomic.Bool
	crowd    crowd

	mu      sync.Mutex // held while current changes
	tickets keyring
}

// state is what handshakes from now on go by.
type state struct {
	*Material
	tls *tls.Config
}

var _ proxy.Engine = (*Engine)(nil)

// New returns an engine.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxHandshakes == 0 {
		o.MaxHandshakes = 1024 * runtime.GOMAXPROCS(0)
	}
	o.Log = o.Log.With("listener", o.Listener)
	e := &Engine{opt: o, log: proxy.NewLimitedLog(o.Log, 10)}
	e.crowd.limit = o.MaxHandshakes
	return e
}

// Use makes the handshakes to come go by m. Sessions can be resumed as before,
// unless other client certificates are good now.
func (e *Engine) Use(m *Material) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.use(m, time.Now())
}

// use is Use for who holds e.mu.
func (e *Engine) use(m *Material, now time.Time) {
	if old := e.current.Load(); old != nil && !m.trusts(old.Material) {
		e.tickets.forget(now)
	}
	e.tickets.turn(now)
	var protocols []string
	if e.opt.HTTP {
		protocols = []string{"http/1.1"}
	}
	config := m.config(protocols)
	config.SetSessionTicketKeys(e.tickets.keys)
	e.current.Store(&state{m, config})
}

// Counters are the engine's live counters.
func (e *Engine) Counters() *Counters { return &e.counters }

// Certificates lists those that are in use, in the order of the settings.
func (e *Engine) Certificates() []Certificate {
	var all []Certificate
	if s := e.current.Load(); s != nil {
		for _, p := range s.pairs {
			all = append(all, Certificate{p.files.CertFile, p.cert.Leaf.NotAfter})
		}
	}
	return all
}

// ServeConn makes the handshake, and lets the engine behind serve the rest.
func (e *Engine) ServeConn(conn net.Conn) {
	s := e.current.Load()
	if s == nil {
		conn.Close()
		return
	}
	c := &client{conn: netio.TLSServer(netio.Wrap(conn), s.tls), since: time.Now()}
	if !e.enter(c, s.settings.HandshakeTimeout) {
		c.conn.Close()
		return
	}
	e.opt.Engine.ServeConn(c.conn)
}

// enter makes the handshake, or deals with its failure.
func (e *Engine) enter(c *client, timeout time.Duration) bool {
	if !e.crowd.arrive(c) {
		return false
	}
	defer e.crowd.leave(c)
	if err := e.handshake(c, timeout); err != nil {
		e.failed(c, err)
		return false
	}
	return true
}

// A client is a connection whose handshake is not over.
type client struct {
	conn  *netio.Conn
	since time.Time
	begun time.Time   // when it has said something; zero: it has not
	left  atomic.Bool // it had to go, for others' sake
}

// freshGrace is how long a drain waits for the first word of a connection: who
// has just connected is about to say it.
const freshGrace = time.Second

func (e *Engine) handshake(c *client, timeout time.Duration) error {
	var by time.Time
	if timeout > 0 {
		by = c.since.Add(timeout)
	}
	c.conn.ReadBy(by)
	c.conn.WriteBy(by)
	if e.draining.Load() { // after it has arrived: Drain sees it, or it sees that
		c.hurry()
	}
	if err := c.conn.Await(); err != nil {
		return err
	}
	e.crowd.begin(c)
	c.conn.ReadBy(by) // a drain may have hurried it a moment ago
	if err := c.conn.Handshake(); err != nil {
		return err
	}
	c.conn.ReadBy(time.Time{})
	c.conn.WriteBy(time.Time{})
	e.counters.made(c.conn.TLS().ConnectionState().DidResume)
	return nil
}

// hurry lets a client that has not said anything wait no longer than a drain
// does.
func (c *client) hurry() { c.conn.ReadBy(time.Now().Add(freshGrace)) }

// Drain lets handshakes that have begun come to their end, and drains the engine
// behind.
func (e *Engine) Drain() {
	e.draining.Store(true)
	e.crowd.each(func(c *client) {
		if c.begun.IsZero() {
			c.hurry()
		}
	})
	e.opt.Engine.Drain()
}

// Yield implements [proxy.Yielder].
func (e *Engine) Yield() {
	if y, ok := e.opt.Engine.(proxy.Yielder); ok {
		y.Yield()
	}
}

// Abort closes every connection.
func (e *Engine) Abort() {
	e.crowd.close()
	e.opt.Engine.Abort()
}

// lookEvery is how often the files are looked at.
const lookEvery = 10 * time.Second

// Run looks after the files, so that a renewed certificate is used without a
// reload, and after the keys of session tickets. It returns when ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			e.lookAfter(now)
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) lookAfter(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.current.Load()
	if s == nil {
		return
	}
	next, errs := s.again()
	for _, err := range errs {
		e.counters.ReadFailed.Add(1)
		e.opt.Log.Warn("cannot use a file that has changed; the old one stays in use", "error", err)
	}
	if next != s.Material {
		e.noteChanges(s.Material, next)
		e.use(next, now)
	} else if e.tickets.turn(now) {
		s.tls.SetSessionTicketKeys(e.tickets.keys)
	}
}

// noteChanges says what has been read anew.
func (e *Engine) noteChanges(old, next *Material) {
	for i, p := range next.pairs {
		if p.cert != old.pairs[i].cert {
			e.counters.Read.Add(1)
			e.opt.Log.Info("certificate has changed", "cert_file", p.files.CertFile, "not_after", p.cert.Leaf.NotAfter)
		}
	}
	if a := next.authorities; a != nil && a.pool != old.authorities.pool {
		e.counters.Read.Add(1)
		e.opt.Log.Info("client CA has changed", "client_ca_file", a.file)
	}
}

// Handshaking is how many clients have not made their handshake yet.
func (e *Engine) Handshaking() int {
	n := 0
	e.crowd.each(func(*client) { n++ })
	return n
}
