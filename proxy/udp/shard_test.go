package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A rig is a shard whose datagrams go into lists.
type rig struct {
	*shard
	t         *testing.T
	clock     time.Time
	endpoints []string // what was sent to them: "address datagram"
	clients   []string
	posted    []func()
	cannot    map[netip.AddrPort]syscall.Errno // send to these
	later     []func()                         // what the kernel says of them, at flush
}

func (r *rig) open(*remote) (*port, error) { return &port{shut: func() {}}, nil }
func (r *rig) toClient(s *session, b []byte) {
	r.clients = append(r.clients, fmt.Sprintf("%v %s", s.client, b))
}
func (r *rig) flush() {
	later := r.later
	r.later = nil
	for _, f := range later {
		f()
	}
}
func (r *rig) toEndpoint(s *session, b []byte) {
	p, to := s.port, s.remote.addr
	if errno := r.cannot[to]; errno != 0 {
		r.later = append(r.later, func() { r.unsent(s, p, b, errno) })
		return
	}
	r.endpoints = append(r.endpoints, fmt.Sprintf("%v %s", to, b))
}
func (r *rig) enter(f func())          { r.posted = append(r.posted, f) }
func (r *rig) now() time.Time          { return r.clock }
func (r *rig) start()                  {}
func (r *rig) wait()                   {}
func (r *rig) file() (*os.File, error) { return nil, errors.ErrUnsupported }
func (r *rig) leave()                  {}
func (r *rig) discard() error          { return nil }
func (r *rig) close()                  {}

func (r *rig) dropped() (n uint64) {
	for why := range r.of.drops {
		n += r.of.drops[why].Load()
	}
	return n
}

// newRig has n endpoints, 10.0.0.1:53 and so on.
func newRig(t *testing.T, n int) *rig {
	l := New(Options{Name: "test", Addr: "127.0.0.1:53"})
	l.port = 53
	var e []balance.Endpoint
	for i := range n {
		e = append(e, balance.Endpoint{Addr: fmt.Sprintf("10.0.0.%d:53", 1+i)})
	}
	balancer, err := lb.New(lb.Options{Endpoints: e})
	if err != nil {
		t.Fatal(err)
	}
	l.SetService(&proxy.Service{Name: "test", Balancer: balancer, Stats: new(proxy.Stats)})
	r := &rig{shard: newShard(l), t: t, clock: l.epoch.Add(time.Second), cannot: make(map[netip.AddrPort]syscall.Errno)}
	r.wire = r
	r.look()
	return r
}

// hears has a client send a datagram.
func (r *rig) hears(client int, b string) *session {
	f := flow{
		client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(client >> 8), byte(client)}), 1000),
		local:  netip.MustParseAddr("10.9.9.9"),
	}
	r.fromClient(f, []byte(b))
	r.wire.flush()
	return r.flows[f]
}

// refuse has the kernel tell that s's endpoint has refused b.
func (r *rig) refuse(s *session, b string) {
	r.failed(s.port, s.remote.addr, syscall.ECONNREFUSED, []byte(b))
	r.wire.flush()
}

func TestWhatWasRefusedGoesElsewhereOnce(t *testing.T) {
	r := newRig(t, 2)
	s := r.hears(1, "hello")
	first := s.remote.addr
	r.refuse(s, "hello")
	if s.remote == nil || s.remote.addr == first {
		t.Fatal("it is still there")
	}
	want := []string{fmt.Sprintf("%v hello", first), fmt.Sprintf("%v hello", s.remote.addr)}
	if got := fmt.Sprint(r.endpoints); got != fmt.Sprint(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	// The second one refuses as well. There is no third, and nobody is asked again.
	r.refuse(s, "hello")
	if len(r.endpoints) != 2 || r.dropped() != 1 {
		t.Errorf("sent %v, dropped %d", r.endpoints, r.dropped())
	}
	// The client asks again, and so do we.
	r.hears(1, "again")
	if len(r.endpoints) != 3 {
		t.Errorf("sent %v", r.endpoints)
	}
}

// What comes back of a datagram is part of a message from the network.
func TestOnlyWhatWasSentIsSentAgain(t *testing.T) {
	for _, b := range []string{"", "hell", "hello, world", "HELLO"} {
		r := newRig(t, 2)
		s := r.hears(1, "hello")
		r.refuse(s, b)
		if len(r.endpoints) != 1 || r.dropped() != 1 {
			t.Errorf("%q came back: sent %v, dropped %d", b, r.endpoints, r.dropped())
		}
		if r.hears(1, "hello"); len(r.endpoints) != 2 || r.endpoints[0] == r.endpoints[1] {
			t.Errorf("%q came back: the next datagram went the way of %v", b, r.endpoints)
		}
	}
}

func TestOneDatagramDoesNotVisitEverybody(t *testing.T) {
	r := newRig(t, 50)
	s := r.hears(1, "hello")
	for s.remote != nil {
		r.refuse(s, "hello")
	}
	if n := len(r.endpoints); n != 1+maxRefused {
		t.Errorf("it was sent to %d endpoints", n)
	}
	if r.dropped() != 1 {
		t.Errorf("%d dropped", r.dropped())
	}
}

// An endpoint to which there is no way is not one to stay on.
func TestWhatTheKernelDoesNotSendGoesElsewhere(t *testing.T) {
	r := newRig(t, 3)
	lost := netip.MustParseAddrPort("10.0.0.2:53")
	r.cannot[lost] = syscall.ENETUNREACH
	for i := range 6 {
		if s := r.hears(i, "x"); s.remote == nil || s.remote.addr == lost {
			t.Errorf("client %d is on %v", i, s.remote)
		}
	}
	if len(r.endpoints) != 6 || r.dropped() != 0 {
		t.Errorf("sent %v, dropped %d", r.endpoints, r.dropped())
	}
	// A want of memory is nobody's fault.
	r.cannot[netip.MustParseAddrPort("10.0.0.1:53")] = syscall.ENOBUFS
	r.cannot[netip.MustParseAddrPort("10.0.0.3:53")] = syscall.ENOBUFS
	for i := range 6 {
		r.hears(i, "x")
	}
	if n := r.of.drops[proxy.DropNoRoom].Load(); n != 6 || r.dropped() != 6 {
		t.Errorf("%d dropped, %d for want of room", r.dropped(), n)
	}
}

// A datagram that claims to be from the listener itself would be answered for ever.
func TestOurOwnAddressIsNoClient(t *testing.T) {
	r := newRig(t, 1)
	us := netip.MustParseAddr("10.9.9.9")
	r.fromClient(flow{client: netip.AddrPortFrom(us, 53), local: us}, []byte("x"))
	if len(r.endpoints) != 0 || r.of.drops[proxy.DropStray].Load() != 1 || len(r.flows) != 0 {
		t.Errorf("sent %v, dropped %d", r.endpoints, r.dropped())
	}
}

// A crowd that falls silent at once does not hold up everybody else.
func TestSessionsEndSomeAtATime(t *testing.T) {
	r := newRig(t, 1)
	for i := range maxEnded + 10 {
		r.hears(i, "x")
	}
	r.clock = r.clock.Add(defaultIdle)
	if d := r.expire(); d != minTick || len(r.flows) != 10 {
		t.Errorf("%d are left, and the next look is in %v", len(r.flows), d)
	}
	if d := r.expire(); d != maxTick || len(r.flows) != 0 {
		t.Errorf("%d are left, and the next look is in %v", len(r.flows), d)
	}
	r.clock = r.clock.Add(quarantine)
	for range (maxEnded+10)/maxClosed + 2 {
		r.expire()
	}
	if d := r.expire(); d != 0 || len(r.nat.ports) != 0 {
		t.Errorf("%d ports are left, and the next look is in %v", len(r.nat.ports), d)
	}
}

// What waits for a name is bounded, however many clients claim to wait.
func TestFewBytesWaitForNames(t *testing.T) {
	r := newRig(t, 0)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.of.service.Load().Balancer.SetEndpoints([]balance.Endpoint{{Addr: "slow.example:53"}}))
	r.names["slow.example:53"] = &name{asking: true, until: int64(time.Hour)}
	large := make([]byte, 60_000)
	for i := range 1000 {
		r.hears(i, string(large))
	}
	kept := maxHeld / len(large)
	if n := r.of.drops[proxy.DropUnresolved].Load(); r.held > maxHeld || n != uint64(1000-kept) {
		t.Errorf("%d bytes wait, %d datagrams were dropped", r.held, n)
	}
	// One whose session ends is counted as lost.
	r.stop("aborted")
	if n := r.of.drops[proxy.DropUnresolved].Load(); r.held != 0 || n != 1000 {
		t.Errorf("at the end %d bytes wait, %d datagrams were dropped", r.held, n)
	}
}
