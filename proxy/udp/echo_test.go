package udp_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestDatagramsComeBackWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{loops: loops, endpoints: []string{mirror(t)}}.start(t)
		c := b.dial("")
		var sent int
		for _, n := range []int{1, 0, 64, 1472, 1473, 9000, 65507, 0} {
			p := bytes.Repeat([]byte{byte(n)}, n)
			sent += n
			if got := c.ask(string(p)); got != string(p) {
				t.Fatalf("%d bytes came back of %d", len(got), n)
			}
		}
		for d := range proxy.Directions {
			stats := &b.service.Stats.UDP
			if n, bytes := stats.Datagrams[d].Load(), stats.Bytes[d].Load(); n != 8 || bytes != uint64(sent) {
				t.Errorf("%s: %d datagrams and %d bytes counted", proxy.Directions[d], n, bytes)
			}
		}
		if n := b.Active(); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if _, _, active := b.load(); active != 1 {
			t.Errorf("%d leases", active)
		}
		r := b.records()
		if len(r) != 1 || r[0]["protocol"] != "UDP" || r[0]["bytes_in"] != float64(sent) || r[0]["bytes_out"] != float64(sent) ||
			r[0]["client"] != c.LocalAddr().String() || r[0]["attempts"] != 1.0 {
			t.Errorf("records %v", r)
		}
		if _, failed, active := b.load(); failed != 0 || active != 0 {
			t.Errorf("%d failures, %d leases at the end", failed, active)
		}
	})
}

// Everybody sends who they are, and hears nothing else. Endpoints are fewer than
// clients, so ports are shared.
func TestEveryClientHearsItsOwnAnswers(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{loops: loops, endpoints: []string{mirror(t), mirror(t), mirror(t), mirror(t), mirror(t)}}.start(t)
		var all sync.WaitGroup
		for i := range 100 {
			c := b.dial("")
			all.Go(func() {
				for j := range 50 {
					p := fmt.Sprintf("client %d, datagram %d %s", i, j, strings.Repeat("x", i*7))
					if _, err := c.Write([]byte(p)); err != nil {
						t.Error(err)
						return
					}
					if got, ok := c.hears(10e9); !ok || got != p {
						t.Errorf("%q came back as %q", p, got)
						return
					}
				}
			})
		}
		all.Wait()
		if started, failed, active := b.load(); started != 100 || failed != 0 || active != 100 {
			t.Errorf("%d leases, %d failed, %d now", started, failed, active)
		}
	})
}
