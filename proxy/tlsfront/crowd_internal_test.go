package tlsfront

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// A crush is a crowd with clients for it.
type crushed struct {
	t *testing.T
	crowd
	clients []*client
	reads   sync.WaitGroup
}

// begin adds n clients that have begun; waited says that we wait for them.
func (d *crushed) begin(n int, waited bool) {
	for range n {
		near, far := net.Pipe()
		d.t.Cleanup(func() { near.Close(); far.Close() })
		c := &client{conn: netio.TLSServer(netio.Wrap(near), new(tls.Config))}
		d.clients = append(d.clients, c)
		d.arrive(c)
		d.crowd.begin(c)
		if waited {
			d.reads.Go(func() { _ = c.conn.Handshake() })
		}
	}
	synctest.Wait()
}

// sentAway is how many of the clients from i up to j had to go.
func (d *crushed) sentAway(i, j int) (n int) {
	for _, c := range d.clients[i:j] {
		if c.left.Load() {
			n++
		}
	}
	return n
}

func (d *crushed) want(i, j, n int) {
	d.t.Helper()
	if got := d.sentAway(i, j); got != n {
		d.t.Errorf("of the clients from %d to %d, %d had to go, want %d", i, j, got, n)
	}
}

func crush10(t *testing.T, f func(d *crushed)) {
	synctest.Test(t, func(t *testing.T) {
		d := &crushed{t: t, crowd: crowd{limit: 10}}
		f(d)
		d.close()
		d.reads.Wait()
	})
}

func TestNobodyHasToGoAtOnceUnlessThereAreFarTooMany(t *testing.T) {
	crush10(t, func(d *crushed) {
		d.begin(40, true)
		d.want(0, 40, 0)
		d.begin(5, true)
		d.want(0, 5, 5)
		d.want(5, 45, 0)
		time.Sleep(patience)
		d.begin(1, true)
		d.want(0, 36, 36) // and the ten that are left have come last
		d.want(36, 46, 0)
	})
}

func TestWhoWaitsForUsDoesNotHaveToGo(t *testing.T) {
	crush10(t, func(d *crushed) {
		d.begin(20, false)
		d.begin(20, true)
		time.Sleep(patience)
		d.begin(100, false)
		d.want(0, 20, 0)
		d.want(20, 40, 20)
		d.want(40, 140, 0)
	})
}
