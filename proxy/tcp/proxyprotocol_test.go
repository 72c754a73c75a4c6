package tcp_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// believes makes the bench's listener expect PROXY headers from here.
func (b *bench) believes() {
	b.listener.SetProxyHeaders(&proxy.ProxyHeaders{
		From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, Timeout: time.Minute,
	})
}

// exchange sends s, ends, and returns all that is answered.
func exchange(t *testing.T, network, addr, s string) (answer string, from net.Addr) {
	t.Helper()
	c, err := net.Dial(network, addr)
	must(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(c, s)
	must(t, err)
	must(t, c.(interface{ CloseWrite() error }).CloseWrite())
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", all, err)
	}
	return string(all), c.LocalAddr()
}

func sends(p proxy.ProxyProtocol) func(*proxy.Service) {
	return func(s *proxy.Service) { s.ProxyProtocol = p }
}

func header(from, to string, fromPort, toPort int) string {
	return fmt.Sprintf("PROXY TCP4 %s %s %d %d\r\n", from, to, fromPort, toPort)
}

func TestEndpointsAreToldOfTheClientBeforeItsBytes(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, sends(proxy.ProxyProtocolV1), endpoint(t, echo))
		got, from := exchange(t, "tcp", b.addr, "hello")
		if want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nhello", port(from.String()), port(b.addr)); got != want {
			t.Errorf("the endpoint was told %q, want %q", got, want)
		}
		b.believes()
		h := header("192.0.2.1", "198.51.100.2", 5000, 443)
		if got, _ := exchange(t, "tcp", b.addr, h+"hello"); got != h+"hello" {
			t.Errorf("in and out: %q", got)
		}
		unknown := "PROXY UNKNOWN\r\n"
		if got, from := exchange(t, "tcp", b.addr, unknown+"hello"); !strings.HasPrefix(got, header("127.0.0.1", "127.0.0.1", port(from.String()), port(b.addr))) {
			t.Errorf("of one who is not known: %q", got)
		}
		clients := ""
		for _, r := range b.settled() {
			clients += fmt.Sprintln(r["client"], r["bytes_in"], r["cause"])
		}
		if !strings.Contains(clients, "192.0.2.1:5000 5 \n") {
			t.Errorf("the access log has\n%s", clients)
		}
	})
}

func port(addr string) int { return int(netip.MustParseAddrPort(addr).Port()) }

// It may not wait for the client, who may wait for it.
func TestTheHeaderGoesOutBeforeTheClientSaysAnything(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, sends(proxy.ProxyProtocolV2), endpoint(t, func(c *net.TCPConn) {
			h := make([]byte, 28)
			if _, err := io.ReadFull(c, h); err != nil {
				return
			}
			fmt.Fprintf(c, "220 hello %d", h[16])
			io.Copy(io.Discard, c)
		}))
		c := b.dial()
		got := make([]byte, len("220 hello 127"))
		if _, err := io.ReadFull(c, got); string(got) != "220 hello 127" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestWhatFollowsAHeaderIsSpliced(t *testing.T) {
	if runtime.GOOS != "linux" || faulty {
		t.Skip("the kernel moves nothing by itself here")
	}
	const size = 16 << 20
	eachDriver(t, func(t *testing.T, d driver) {
		received := make(chan []byte, 1)
		b := setup(t, d, sends(proxy.ProxyProtocolV1), endpoint(t, func(c *net.TCPConn) {
			got, _ := io.ReadAll(c)
			received <- got
		}))
		b.believes()
		h, body := header("192.0.2.1", "198.51.100.2", 5000, 443), bytes.Repeat([]byte("0123456789abcdef"), size/16)
		c := b.dial()
		_, err := c.Write(append([]byte(h), body...))
		must(t, err)
		must(t, c.CloseWrite())
		io.Copy(io.Discard, c)
		b.settled()
		if h, rest, _ := bytes.Cut(<-received, []byte("\r\n")); string(h) != strings.TrimSpace(header("192.0.2.1", "198.51.100.2", 5000, 443)) || !bytes.Equal(rest, body) {
			t.Errorf("the endpoint got %q and %d bytes", h, len(rest))
		}
		stats := b.service.Stats
		if spliced, copied := stats.TCPBytes[proxy.FromClient][proxy.Spliced].Load(), stats.Copied(proxy.FromClient); spliced < size/2 || spliced+copied != size+uint64(len(h)) {
			t.Errorf("%d bytes spliced and %d copied", spliced, copied)
		}
	})
}

func TestAffinityGoesByTheHeader(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var endpoints []balance.Endpoint
		for i := range 8 {
			endpoints = append(endpoints, balance.Endpoint{ID: fmt.Sprint(i), Addr: endpoint(t, func(c *net.TCPConn) {
				fmt.Fprint(c, i)
				c.CloseWrite()
				io.Copy(io.Discard, c)
			})})
		}
		var kind affinity.Kind
		b := setup(t, d, func(s *proxy.Service) { s.Hashes = true })
		must(t, b.service.Balancer.SetOptions(lb.Options{Policy: balance.Maglev(0), Endpoints: endpoints}))
		b.believes()
		use := func(k affinity.Kind) {
			s := *b.service
			s.Affinity, kind = affinity.Rule{Kind: k}, k
			b.engine.SetService(&s)
		}
		reach := func(from, to func(i int) string) int {
			seen := make(map[string]bool)
			for i := range 24 {
				who, _ := exchange(t, "tcp", b.addr, header(from(i), to(i), 5000, 443))
				seen[who] = true
			}
			return len(seen)
		}
		same := func(int) string { return "192.0.2.1" }
		other := func(i int) string { return fmt.Sprint("192.0.2.", i) }
		use(affinity.ClientIP)
		if n := reach(same, same); n != 1 {
			t.Errorf("%v: one client reaches %d endpoints", kind, n)
		}
		if n := reach(other, same); n < 4 {
			t.Errorf("%v: 24 clients reach %d endpoints", kind, n)
		}
		use(affinity.None)
		if n := reach(same, same); n != 1 {
			t.Errorf("%v: one 5-tuple reaches %d endpoints", kind, n)
		}
		if n := reach(same, other); n < 4 {
			t.Errorf("%v: 24 destinations reach %d endpoints", kind, n)
		}
	})
}
