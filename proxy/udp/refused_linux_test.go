package udp_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

// The kernel gives back what was refused, so that even the first datagram of a client
// gets its answer, also where many leave in one call.
func TestTheFirstDatagramIsNotLostWhereOthersAreWell(t *testing.T) {
	well := echo(t)
	b := setup{loops: true, endpoints: []string{refusing(t), refusing(t), well}, policy: balance.Maglev(0)}.start(t)
	for round := range 4 {
		var clients []*client
		for i := range 64 {
			clients = append(clients, dialFrom(t, fmt.Sprintf("127.1.%d.%d:0", round, 1+i), b.addr))
		}
		for i, c := range clients {
			c.send(fmt.Sprint("question ", i))
		}
		for i, c := range clients {
			if got, want := c.receive(), fmt.Sprintf("%s question %d", well, i); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			c.Close()
		}
	}
	if n := b.Drops()[proxy.DropRefused].Load(); n != 0 {
		t.Errorf("%d datagrams were lost", n)
	}
	if n := b.service.Stats.UDP.Datagrams[proxy.FromClient].Load(); n != 4*64 {
		t.Errorf("%d datagrams were counted", n)
	}
}

// What comes back of a long one is a part of it, which nobody is to get.
func TestPartOfADatagramIsSentToNobody(t *testing.T) {
	t.Parallel()
	well := mirror(t)
	b := setup{loops: true, endpoints: []string{refusing(t), well}}.start(t)
	for range 8 {
		c := b.dial("")
		long := strings.Repeat("long ", 300)
		if got := c.askUntil(long); got != long {
			t.Fatalf("%d bytes came back of %d", len(got), len(long))
		}
	}
	if n := b.Drops()[proxy.DropRefused].Load(); n == 0 {
		t.Error("nobody was refused")
	}
}

// There is no way to the first endpoint, and the kernel says so at once.
func TestWithoutARouteAnotherEndpointIsAsked(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		nowhere := "255.255.255.255:9" // it needs SO_BROADCAST, which Go sets
		if !loops {
			nowhere = "[2001:db8::1]:9"
			if c, err := net.Dial("udp", nowhere); err == nil {
				c.Close()
				t.Skip("there is a route to everywhere")
			}
		}
		well := mirror(t)
		b := setup{loops: loops, endpoints: []string{nowhere, well}, policy: balance.Maglev(0)}.start(t)
		refused := &b.service.Stats.Attempts[proxy.AttemptConnectFailure]
		for i := 0; i < 20 || i < 100 && refused.Load() == 0; i++ { // a client's port decides whom it asks first
			if got := b.dial("").ask("x"); got != "x" {
				t.Fatalf("got %q", got)
			}
		}
		if refused.Load() == 0 {
			t.Error("nobody was sent to where there is no way to")
		}
		if s := drops(b); s != "" {
			t.Errorf("dropped: %s", s)
		}
	})
}
