package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// A Cause says why a relay ended, in the words of the access log: error types of
// RFC 9209 §2.3 where one fits.
type Cause string

// The causes that a relay finds by itself. Whose fault that was is for the caller
// to say; callers of Cut have causes of their own.
const (
	Well          Cause = ""                        // both sides have ended
	Idle          Cause = "connection_read_timeout" // no byte for Options.Idle
	ClientGone    Cause = "client_gone"             // the client reset its connection, or takes no more
	EndpointReset Cause = "connection_terminated"   // the endpoint did
	Panicked      Cause = "proxy_internal_error"    // a fault of ours
)

// Options is what New takes.
type Options struct {
	// Idle is how long the relay may be without a byte in either direction
	// (spec.md §7.1); it ends at most an eighth later, or a tick of the loop. 0: for
	// ever.
	Idle time.Duration
	// ResetIdle says that silence ends it with a reset for both sides, and not in
	// good order.
	ResetIdle bool
	// Early has bytes that were read before there was a relay, by direction. They
	// go first, and count like those that follow. Nobody else uses them from
	// here on.
	Early [2][]byte
	// Stats is the service whose TCPBytes count what is relayed.
	Stats *proxy.Stats
	// IdleTimeouts is added to when the relay ends because of silence, if it is not
	// nil.
	IdleTimeouts *atomic.Uint64
	// NoteFirst says that First will be asked.
	NoteFirst bool
}

// A Relay joins two connections. Run it once.
type Relay struct {
	client, endpoint *netio.Conn
	opt              Options
	up, down         pump // from the client, to the client

	mu      sync.Mutex
	cause   Cause // why it does not end well
	stopped bool  // both pumps are to end now
	watch   watch
}

// New returns a relay that owns both connections. Nobody else may read or write
// them, or move their deadlines, from here on; to close them, call Run.
func New(client, endpoint *netio.Conn, o Options) *Relay {
	r := &Relay{client: client, endpoint: endpoint, opt: o}
	r.up = pump{relay: r, src: client, dst: endpoint, blame: EndpointReset, other: &r.down, early: o.Early[proxy.FromClient]}
	r.down = pump{relay: r, src: endpoint, dst: client, blame: ClientGone, other: &r.up, early: o.Early[proxy.ToClient]}
	r.opt.Early = [2][]byte{} // the pumps forget them once they are sent
	r.up.init()
	r.down.init()
	return r
}

// Run relays until both sides have ended, or the relay is cut. Then it closes both
// connections and says why it ended.
func (r *Relay) Run() Cause {
	r.begin()
	var pumps sync.WaitGroup
	pumps.Go(r.up.run)
	r.down.run()
	pumps.Wait()

	cause := r.settle()
	if cause == Well || cause == Idle && !r.opt.ResetIdle {
		r.client.Close()
		r.endpoint.Close()
		return cause
	}
	// A peer must not take for a whole stream what was cut: it gets a reset.
	r.client.Abort()
	r.endpoint.Abort()
	return cause
}

// begin takes the connections' deadlines away: only silence ends a relay.
func (r *Relay) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range [...]*netio.Conn{r.client, r.endpoint} {
		c.ReadBy(time.Time{})
		c.WriteBy(time.Time{})
	}
	if r.stopped {
		r.stop() // it was cut before it began
	}
	r.startWatch()
}

// Cut ends the relay because of cause, with a reset for both sides. The first
// cause counts. It may be called from any goroutine, before Run, during it, and
// after it, when it does nothing. It does not wait.
func (r *Relay) Cut(cause Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blame(cause)
	r.stop()
}

// First is when the endpoint's first byte came, if Options.NoteFirst asked for
// it; the zero time if none did. It is for after Run.
func (r *Relay) First() time.Time { return r.down.first }

// note records why the relay does not end well, and lets it go on to its end.
func (r *Relay) note(cause Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blame(cause)
}

// blame records the first cause. Caller holds r.mu.
func (r *Relay) blame(cause Cause) {
	if r.cause == Well && !r.stopped {
		r.cause = cause
	}
}

// end stops a relay whose causes are known.
func (r *Relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
}

// stop wakes both pumps. Caller holds r.mu.
func (r *Relay) stop() {
	r.stopped = true
	r.client.Interrupt()
	r.endpoint.Interrupt()
}

// settle ends the watch, with the last bytes counted. From here on the cause is
// what it is, whoever still calls Cut.
func (r *Relay) settle() Cause {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.stopWatch()
	return r.cause
}
