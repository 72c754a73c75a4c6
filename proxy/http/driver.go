package http

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// memory is what exchanges borrow from while they last.
type memory struct {
	buffers, small *netio.Pool
	// exchange lends one, and takeBack gets it back.
	exchange func() *exchange
	takeBack func(*exchange)
}

// A link is a connection as an exchange uses it: *netio.Conn, or the Loop
// driver's. Calls that must wait do so for the exchange alone.
type link interface {
	// Receive reads what is there, into a buffer that is lent once there is
	// something.
	Receive(*netio.Pool) (*netio.Buffer, error)
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	WriteBuffers(a, b []byte) (int64, error)
	// ReadBy and WriteBy set deadlines. An error of one that has passed is
	// os.ErrDeadlineExceeded.
	ReadBy(time.Time)
	WriteBy(time.Time)
	// Interrupt makes whoever waits give up, as if its deadline had passed.
	Interrupt()
	Gone() bool // the peer has closed
	Idle() bool // nothing to read, and not gone
	// Unread reports whether something has come that was not read. An end may
	// pass for such.
	Unread() bool
	CloseWrite() error
	Close() error
	Abort() // with a reset
	Received() int64
	Sent() int64
}

// A driver is what an exchange needs of the world it runs in: goroutines that
// block, or an event loop.
type driver interface {
	// now is the time, as exact as it comes for free.
	now() time.Time
	// memory is what exchanges borrow from.
	memory() *memory
	// pause lets others go first, before a wait that they may make needless.
	pause()
	// local is the address that a client has connected to.
	local(link) netip.AddrPort
	// home is where idle connections to an endpoint are.
	home(*balance.Endpoint) home
	// dial connects to a service's endpoint, and shows the connection to the
	// client's Abort while it waits.
	dial(c *client, s *proxy.Service, e *balance.Endpoint, timeout time.Duration) (*endpointConn, error)
	// splice moves bytes inside the kernel; it is as netio.Splice.
	splice(dst, src link, n int64) (int64, error)
	// latch makes one for the exchange to wait for. open opens it, from any goroutine.
	latch() latch
	open(latch)
	// makeRoom closes an idle connection of one of these endpoints. Where it has to
	// leave that to others it reports false.
	makeRoom(*Pools, []balance.Candidate) bool
	// upload runs an upload beside its exchange.
	upload(*upload)
	// relay joins the exchange's client and endpoint until both have ended, and
	// then returns what relayed makes of it. Or it returns handedOver, and does
	// the rest later.
	relay(x *exchange, o relay.Options) *failure
}

// A home keeps idle connections to one endpoint.
type home interface {
	// get returns one, or nil. It is alive as far as is known, and nothing has
	// arrived on it that nobody asked for: such bytes would pass for the next
	// response. sure is for a request that cannot be sent again should the
	// endpoint just have closed: then the kernel is asked.
	get(e *balance.Endpoint, now time.Time, sure bool) *endpointConn
	// put takes one that has carried a whole exchange; it may close it.
	put(*endpointConn)
}

// endpointConn is a connection to an endpoint.
type endpointConn struct {
	link
	home    home
	addr    string
	tls     *proxy.EndpointTLS      // how it is secured; nil: not at all
	load    *balance.Load           // the endpoint's; nil while it is being dialed
	doom    atomic.Pointer[failure] // why it is to end now; nil: it is not
	since   atomic.Int64            // an instant: when its exchange began
	reused  bool                    // it has carried an exchange before
	expires time.Time               // idle since too long; zero: never
	places  *proxy.Connections      // it has one of these; nil: it needs none
	carried int                     // exchanges, as far as they are limited

	// codes are where stats counts the endpoint's answers: to look that up for
	// each would cost more than to count.
	codes *proxy.Codes
	stats *proxy.Stats
}

// discard closes a connection that is not wanted any more.
func (c *endpointConn) discard() {
	_ = c.link.Close()
	if c.places != nil {
		c.places.GiveBack()
		c.places = nil
	}
}

// A latch is opened once, by the one for whom the other waits.
type latch interface {
	Open()
	// Wait waits until it is open, or for d where that is not negative. It
	// reports whether it is open.
	Wait(d time.Duration) bool
}

// longAgo is a deadline for what is to end now.
var longAgo = time.Unix(1, 0)
