//go:build linux && faults

package udp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// One call in ten fails: there is no room, a firewall is in the way, a route is gone,
// epoll has no memory. Datagrams get lost and are counted, no answer goes astray, and
// when all is well again, it is for everybody.
func TestWhateverFailsNobodyHearsAnothersAnswer(t *testing.T) {
	b := setup{loops: true, endpoints: []string{mirror(t), mirror(t), mirror(t)}, service: proxy.Service{Timeout: time.Minute}}.start(t)
	defer sys.Harsh(0)
	var clients []*client
	for range 50 {
		clients = append(clients, b.dial(""))
	}
	sent, heard := 0, 0
	sys.Harsh(10)
	for round := range 20 {
		for i, c := range clients {
			c.send(fmt.Sprint(i, " in ", round))
			sent++
		}
		for i, c := range clients {
			for {
				got, ok := c.hears(time.Millisecond)
				if !ok {
					break
				}
				var who, when int
				if _, err := fmt.Sscanf(got, "%d in %d", &who, &when); err != nil || who != i || when > round {
					t.Fatalf("client %d heard %q in round %d", i, got, round)
				}
				heard++
			}
		}
	}
	sys.Harsh(0)
	for i, c := range clients {
		if got, want := c.askUntil(fmt.Sprint(i, " at last")), fmt.Sprint(i, " "); got[:len(want)] != want {
			t.Errorf("client %d heard %q", i, got)
		}
	}
	t.Logf("%d sent, %d heard, dropped: %s", sent, heard, drops(b))
	if drops(b) == "" || heard < sent/4 {
		t.Errorf("the faults are too few, or too many")
	}
	if n := b.Active(); n != int64(len(clients)) {
		t.Errorf("%d sessions of %d clients", n, len(clients))
	}
	if _, _, active := b.load(); active > int64(len(clients)) {
		t.Errorf("%d leases", active)
	}
}

// A listener that epoll had no memory for is heard when there is some.
func TestAListenerIsHeardWhenThereIsMemoryForIt(t *testing.T) {
	defer sys.Harsh(0)
	b := setup{loops: true, endpoints: []string{mirror(t)}, opened: func() { sys.Harsh(1) }}.start(t)
	c := b.dial("")
	c.send("x")
	testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropNoPort].Load() > 0 }) // as there is none for its port
	sys.Harsh(0)
	if got := c.askUntil("y"); got != "y" {
		t.Errorf("got %q", got)
	}
}
