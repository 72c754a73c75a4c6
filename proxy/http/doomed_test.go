package http_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// doom cuts what there is on the first endpoint, again and again as a Tracker
// does, until nothing is left there.
func (b *bench) doom(cause proxy.CutCause) {
	b.t.Helper()
	e := b.balancer.Snapshot().Candidates[0].Endpoint
	testkit.Eventually(b.t, func() bool {
		b.engine.Cut(proxy.Doomed{proxy.PlaceOf(e): cause})
		time.Sleep(10 * time.Millisecond)
		return e.Load.Active() == 0
	})
}

// wantCuts ends the bench, and fails the test unless n exchanges were cut for
// this cause, which the access log says, and nobody is blamed.
func (b *bench) wantCuts(n uint64, cause proxy.CutCause) {
	b.t.Helper()
	b.end()
	if got := b.service.Stats.Cuts[cause].Load(); got != n {
		b.t.Errorf("%d cuts are counted, want %d", got, n)
	}
	if got := strings.Count(b.access.String(), `"cause":"`+cause.String()+`"`); got != int(n) {
		b.t.Errorf("%d lines of the access log say %s, want %d:\n%s", got, cause, n, b.access.String())
	}
	if got := b.failures(); got != 0 {
		b.t.Errorf("%d failures, want none", got)
	}
}

func exchangeWithADoomedEndpointIs504(t *testing.T, d driver) {
	gone := make(chan bool, 3)
	silent := endpoint(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		gone <- true
	})
	b := d.start(t, []string{silent})
	waiting := b.dial().send(get(""))
	uploading := b.dial().send(post("Content-Length: 1000000\r\n") + "the beginning")
	chunked := b.dial().send(post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n")
	b.active(3)
	b.doom(proxy.EndpointDrained)
	for _, c := range []*rawClient{waiting, uploading, chunked} {
		resp, _ := c.response("GET")
		if status := resp.Header.Get("Proxy-Status"); resp.StatusCode != 504 || status != "spillway; error=destination_unavailable" {
			t.Errorf("got %d, Proxy-Status %q", resp.StatusCode, status)
		}
		<-gone
	}
	// Who had sent its whole request goes on with the next.
	waiting.send(get(""))
	b.active(1)
	b.doom(proxy.EndpointDrained)
	if resp, _ := waiting.response("GET"); resp.StatusCode != 504 {
		t.Errorf("the next request got %d", resp.StatusCode)
	}
	for _, c := range []*rawClient{waiting, uploading, chunked} {
		c.Close()
	}
	b.wantCuts(4, proxy.EndpointDrained)
}

func responseOfADoomedEndpointLooksCut(t *testing.T, d driver) {
	for _, tc := range []struct{ name, reply string }{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"},
		{"much", "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nabc"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nabc"},
	} {
		ended := make(chan bool, 1)
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, tc.reply)
			io.Copy(io.Discard, r)
			ended <- true
		})
		b := d.start(t, []string{addr})
		c := b.dial().send(get(""))
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		io.ReadFull(resp.Body, make([]byte, 3))
		b.doom(proxy.EndpointRemoved)
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: the response ended as if it were whole", tc.name)
		}
		c.Close()
		<-ended
		b.wantCuts(1, proxy.EndpointRemoved)
	}
}

// A response that its client does not read waits for the client, not for the
// endpoint.
func responseNobodyReadsIsCutWithItsEndpoint(t *testing.T, d driver) {
	ended := make(chan bool, 1)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			if _, err := io.WriteString(c, "8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n"); err != nil {
				ended <- true
				return
			}
		}
	})
	b := d.start(t, []string{addr})
	b.dial().send(get(""))
	b.active(1)
	b.doom(proxy.EndpointDrained)
	<-ended
	b.wantCuts(1, proxy.EndpointDrained)
}

func tunnelToADoomedEndpointIsReset(t *testing.T, d driver) {
	ended := make(chan error, 1)
	b := d.start(t, []string{upgrading(t, "", func(c *net.TCPConn, r *bufio.Reader) {
		_, err := io.Copy(c, r)
		ended <- err
	})})
	c := b.upgrade("hello")
	c.expect("hello")
	b.doom(proxy.EndpointDrained)
	c.wantReset()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the endpoint sees %v, want a reset", err)
	}
	b.wantCuts(1, proxy.EndpointDrained)
}

func doomOfOneEndpointLeavesTheOthersAlone(t *testing.T, d driver) {
	name := func(name string) nethttp.HandlerFunc {
		return func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Path == "/wait" {
				r.Body.Read(make([]byte, 1)) // until the client says something
			}
			io.WriteString(w, name)
		}
	}
	b := d.start(t, []string{endpoint(t, name("a")), endpoint(t, name("b"))})
	idle := b.dial().send(get(""))
	idle.response("GET")
	const wait = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
	clients := []*rawClient{b.dial().send(wait), b.dial().send(wait)} // one on each
	b.active(2)
	b.doom(proxy.FailedOver)
	b.active(1)
	codes := map[int]int{}
	for _, c := range clients {
		c.send("x")
		resp, _ := c.response("POST")
		codes[resp.StatusCode]++
	}
	if codes[200] != 1 || codes[504] != 1 {
		t.Errorf("status codes %v, want one 200 and one 504", codes)
	}
	// The endpoint is not what is shunned: that is for the balancer to do.
	for range 4 {
		if resp, _ := idle.send(get("")).response("GET"); resp.StatusCode != 200 {
			t.Errorf("a request after the cut got %d", resp.StatusCode)
		}
	}
	b.wantCuts(1, proxy.FailedOver)
}
