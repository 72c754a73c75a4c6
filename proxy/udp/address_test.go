package udp_test

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// Clients that are connected hear nobody but whom they have sent to: so the answer
// comes from there, or the test waits in vain.
func TestAnswersComeFromWhereTheClientHasSentTo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system chooses where answers leave from")
	}
	onBoth(t, func(t *testing.T, loops bool) {
		for _, listen := range []string{"0.0.0.0:0", ":0"} {
			b := setup{loops: loops, listen: listen, endpoints: []string{mirror(t)}}.start(t)
			port := b.addr.Port()
			for _, to := range []string{"127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"} {
				if listen != ":0" && to == "::1" || to == "::1" && !hasIPv6() {
					continue
				}
				c := dialFrom(t, "", netip.AddrPortFrom(netip.MustParseAddr(to), port))
				if got := c.ask("hello " + to); got != "hello "+to {
					t.Errorf("%s, to %s: got %q", listen, to, got)
				}
			}
		}
	})
}

// One socket of a client that talks to two addresses of ours has two sessions.
func TestTheAddressOfOursIsPartOfTheSession(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is not known here")
	}
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{loops: loops, listen: "0.0.0.0:0", endpoints: []string{mirror(t)}}.start(t)
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		must(t, err)
		defer c.Close()
		for _, to := range []string{"127.0.0.1", "127.0.0.2"} {
			want := netip.AddrPortFrom(netip.MustParseAddr(to), b.addr.Port())
			c.WriteToUDPAddrPort([]byte("x"), want)
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, from, err := c.ReadFromUDPAddrPort(make([]byte, 10))
			must(t, err)
			if from != want {
				t.Errorf("asked %v, heard %v", want, from)
			}
		}
		if n := b.Active(); n != 2 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestIPv6BothWays(t *testing.T) {
	if !hasIPv6() {
		t.Skip("this machine has no ::1")
	}
	onBoth(t, func(t *testing.T, loops bool) {
		six, _ := endpoint(t, "[::1]:0", func(_ netip.AddrPort, b []byte) []byte { return b })
		b := setup{loops: loops, listen: "[::1]:0", endpoints: []string{six, mirror(t)}}.start(t)
		for range 4 {
			if got := b.dial("").ask("x"); got != "x" {
				t.Errorf("got %q", got)
			}
		}
	})
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// A hostile neighbour sends to every port that the proxy uses towards endpoints.
func TestNobodyButTheEndpointIsHeard(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		ports := make(chan netip.AddrPort, 10)
		addr, _ := endpoint(t, "127.0.0.1:0", func(from netip.AddrPort, b []byte) []byte {
			ports <- from
			return b
		})
		b := setup{loops: loops, endpoints: []string{addr}}.start(t)
		hostile, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		must(t, err)
		defer hostile.Close()
		c := b.dial("")
		c.ask("x")
		to := <-ports
		for range 10 {
			hostile.WriteToUDPAddrPort([]byte("forged"), to)
		}
		if loops {
			testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropStray].Load() == 10 })
		}
		if got := c.ask("y"); got != "y" {
			t.Errorf("got %q", got)
		}
		if got, ok := c.hears(20 * time.Millisecond); ok {
			t.Errorf("heard %q", got)
		}
	})
}

// An endpoint answers long after its clients have gone, while others are there. It
// answers to every port it has ever seen, with the name of whom it was for.
func TestLateAnswersReachNobodyElse(t *testing.T) {
	const rest = 30 * time.Second // of a port: what comes later may be for another
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		type visit struct {
			from netip.AddrPort
			who  string
		}
		visits := make(chan visit, 1000)
		addr, conn := endpoint(t, "127.0.0.1:0", func(from netip.AddrPort, b []byte) []byte {
			visits <- visit{from, string(b)}
			return b
		})
		b := setup{
			loops: loops, endpoints: []string{addr, mirror(t), mirror(t)},
			service: proxy.Service{Timeout: time.Second},
		}.start(t)
		const many = 20
		began := time.Now()
		for range many {
			c := b.dial("")
			c.askUntil(c.LocalAddr().String()) // on a busy machine the session may end before the answer
			c.Close()
		}
		testkit.Eventually(t, func() bool { return b.Active() == 0 })
		var late []visit
		for len(visits) > 0 {
			late = append(late, <-visits)
		}
		if len(late) == 0 {
			t.Fatal("nobody was there")
		}
		judge := func(c *client, heard string) {
			if took := time.Since(began); heard != c.LocalAddr().String() && took < rest {
				t.Fatalf("%v heard %q after %v", c.LocalAddr(), heard, took)
			}
		}
		var clients []*client
		for len(clients) == 0 || len(clients) < many && time.Since(began) < rest {
			c := b.dial("")
			judge(c, c.askUntil(c.LocalAddr().String()))
			clients = append(clients, c)
			for _, v := range late {
				conn.WriteToUDPAddrPort([]byte("for "+v.who), v.from)
			}
		}
		testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropStray].Load() > 0 })
		for _, c := range clients {
			if got, ok := c.hears(time.Millisecond); ok {
				judge(c, got)
			}
		}
	})
}
