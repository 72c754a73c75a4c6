package udp

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// A world has a nat whose sockets are nothing but a count.
type world struct {
	nat
	now  int64
	open int
}

func newWorld() *world {
	w := &world{}
	w.remotes = make(map[pair]*remote)
	w.nat.open = func(*remote) (*port, error) {
		w.open++
		return &port{shut: func() { w.open-- }}, nil
	}
	return w
}

func endpointAddr(i int) pair {
	return pair{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 53)}
}

func (w *world) lend(t *testing.T, endpoint int) *session {
	t.Helper()
	s := new(session)
	if err := w.nat.lend(s, w.remote(endpointAddr(endpoint)), w.now); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever comes and goes: no two sessions of an endpoint share a port, and one that
// was used rests before another session of the endpoint has it.
func TestAPortIsOneSessionsAndRestsThereafter(t *testing.T) {
	const endpoints = 5
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld()
		type place struct {
			port *port
			to   *remote
		}
		holds := map[place]*session{}
		left := map[place]int64{}
		var live []*session
		for range 20_000 {
			switch n := r.IntN(100); {
			case n < 45 && len(live) < 300:
				s := w.lend(t, r.IntN(endpoints))
				at := place{s.port, s.remote}
				if holds[at] != nil {
					t.Fatalf("seed %d: two sessions on one place", seed)
				}
				if since, ok := left[at]; ok && w.now-since < int64(quarantine) {
					t.Fatalf("seed %d: the place was left %v ago", seed, time.Duration(w.now-since))
				}
				if s.port.session(s.remote.addr) != s {
					t.Fatalf("seed %d: answers do not find their session", seed)
				}
				holds[at] = s
				live = append(live, s)
			case n < 90 && len(live) > 0:
				i := r.IntN(len(live))
				s := live[i]
				at := place{s.port, s.remote}
				w.giveBack(s, w.now)
				if at.port.session(at.to.addr) != nil {
					t.Fatalf("seed %d: answers find a session that has left", seed)
				}
				delete(holds, at)
				left[at] = w.now
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
			case n < 95:
				w.sweep(w.now)
			default:
				w.now += int64(r.IntN(int(2 * time.Second)))
			}
		}
		for _, s := range live {
			if s.port.closed {
				t.Fatalf("seed %d: a port was closed under its session", seed)
			}
			w.giveBack(s, w.now)
		}
		w.now += int64(quarantine)
		for w.sweep(w.now) {
		}
		w.sweep(w.now)
		if w.open != 0 || len(w.remotes) != 0 {
			t.Errorf("seed %d: %d ports and %d remotes are left", seed, w.open, len(w.remotes))
		}
	}
}

func TestSessionsOfSeveralEndpointsShareAPort(t *testing.T) {
	w := newWorld()
	for range 1000 {
		for e := range 10 {
			w.lend(t, e)
		}
	}
	if w.open != 1000 {
		t.Errorf("%d ports for 1000 sessions of each of ten endpoints", w.open)
	}
	for e := range 3 * maxShared {
		w.lend(t, 100+e)
	}
	for _, p := range w.ports {
		if len(p.slots) > maxShared {
			t.Fatalf("%d endpoints on one port", len(p.slots))
		}
	}
}

func TestWithoutAPortThereIsNoSession(t *testing.T) {
	w := newWorld()
	none := errors.New("none left")
	w.nat.open = func(*remote) (*port, error) { return nil, none }
	s := new(session)
	if err := w.nat.lend(s, w.remote(endpointAddr(1)), 0); !errors.Is(err, none) || s.port != nil {
		t.Errorf("%v, %v", err, s.port)
	}
	w.sweep(0)
	if len(w.remotes) != 0 {
		t.Error("the endpoint is remembered all the same")
	}
}

func TestSessionsAreInTheOrderOfTheirUse(t *testing.T) {
	var l sessions
	l.init()
	a, b, c := new(session), new(session), new(session)
	for i, s := range []*session{a, b, c, a, c, c} {
		l.touch(s, int64(i))
	}
	for _, want := range []*session{b, a, c} {
		got := l.oldest()
		if got != want {
			t.Fatal("another one is the oldest")
		}
		got.unlink()
	}
	if l.oldest() != nil {
		t.Error("there is one left")
	}
}
