package http_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/proxy"
)

const (
	asking   = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)

// upgrading runs an endpoint that agrees to what is asked, with more right
// behind its 101, and hands each connection to f.
func upgrading(t *testing.T, more string, f func(c *net.TCPConn, r *bufio.Reader)) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if !strings.Contains(readHead(r), "Upgrade: websocket\r\n") {
			io.WriteString(c, ok)
			return
		}
		io.WriteString(c, switched+more)
		f(c.(*net.TCPConn), r)
	})
}

func echo(c *net.TCPConn, r *bufio.Reader) { io.Copy(c, r) }

// upgrade asks for a tunnel, with early right behind the request, and has it.
func (b *bench) upgrade(early string) *rawClient {
	b.t.Helper()
	c := b.dial().send(asking + early)
	resp, _ := c.response("GET")
	if resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(resp.Header.Get("Connection"), "upgrade") {
		b.t.Fatalf("got %d %v, want the 101", resp.StatusCode, resp.Header)
	}
	return c
}

// ended waits until no lease is left, and fails the test unless the only line of
// the access log has all of these and the endpoint so many failures.
func (b *bench) ended(failures uint64, want ...string) {
	b.t.Helper()
	b.active(0)
	if n := b.failures(); n != failures {
		b.t.Errorf("%d failures, want %d", n, failures)
	}
	b.end()
	line := b.access.String()
	for _, w := range append(want, `"status":101`) {
		if !strings.Contains(line, w) || strings.Count(line, "\n") != 1 {
			b.t.Errorf("no %s in %s", w, line)
		}
	}
}

func upgradeLosesNoByteReadWithTheHeads(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "hello, ", echo)})
	c := b.upgrade("early")
	c.expect("hello, early")
	for i := range 10 {
		message := fmt.Sprintf("message %d", i)
		c.send(message).expect(message)
	}
	b.active(1) // as long as the tunnel
	c.CloseWrite()
	c.end()
	b.ended(0, `"cause":""`, `"method":"GET"`, `"host":"a"`, `"path":"/chat"`, `"bytes_in":95,`, `"bytes_out":102,`, `"attempts":1`)
	for d, want := range map[proxy.Direction]uint64{proxy.FromClient: 95, proxy.ToClient: 102} {
		if n := b.service.Stats.Copied(proxy.Direction(d)); n != want {
			t.Errorf("%s: counted %d bytes, want %d", proxy.Directions[d], n, want)
		}
	}
	codes := map[int]uint64{}
	b.service.Stats.Codes(b.balancer.Snapshot().Candidates[0].Load).Each(func(code int, n uint64) { codes[code] = n })
	if len(codes) != 1 || codes[101] != 1 {
		t.Errorf("counted %v, want one 101", codes)
	}
	if n := b.service.Stats.Attempts[proxy.AttemptOK].Load(); n != 1 {
		t.Errorf("%d good attempts, want 1", n)
	}
}

// Bytes of a tunnel that has ended must never meet a request.
func tunnelsConnectionsCarryNoRequestAgain(t *testing.T, d driver) {
	heads := make(chan string, 10)
	b := d.start(t, []string{scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			if head == "" {
				return
			}
			heads <- head
			if strings.Contains(head, "Upgrade:") {
				io.WriteString(c, switched+"bye")
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, r)
				return
			}
			io.WriteString(c, ok)
		}
	})})
	get := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	c := b.dial().send(get)
	c.response("GET") // leaves a connection to the endpoint, which the tunnel takes
	c.send(asking + get)
	c.response("GET")
	c.CloseWrite()
	if rest := c.all(); rest != "bye" {
		t.Errorf("the tunnel brought %q", rest)
	}
	b.active(0)
	if resp, body := b.dial().send(get).response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("after the tunnel: %d %q", resp.StatusCode, body)
	}
	if n := len(heads); n != 3 {
		t.Errorf("the endpoint saw %d requests, want 3: what followed the upgrade is none", n)
	}
}

func halfClosePassesThroughATunnel(t *testing.T, d driver) {
	t.Run("the client's", func(t *testing.T) {
		b := d.start(t, []string{upgrading(t, "", func(c *net.TCPConn, r *bufio.Reader) {
			all, _ := io.ReadAll(r) // needs the client's end
			fmt.Fprintf(c, "got %d", len(all))
		})})
		c := b.upgrade("").send("question")
		c.CloseWrite()
		c.expect("got 8")
		c.end()
		b.ended(0, `"cause":""`)
	})
	t.Run("the endpoint's", func(t *testing.T) {
		got := make(chan string, 1)
		b := d.start(t, []string{upgrading(t, "bye", func(c *net.TCPConn, r *bufio.Reader) {
			c.CloseWrite()
			all, _ := io.ReadAll(r)
			got <- string(all)
		})})
		c := b.upgrade("")
		c.expect("bye")
		c.end()
		c.send("one more thing").CloseWrite()
		if all := <-got; all != "one more thing" {
			t.Errorf("the endpoint got %q", all)
		}
		b.ended(0, `"cause":""`)
	})
}

// The service's timeout, which bounds a whole exchange, bounds a tunnel's
// silences. A route's own is for exchanges.
func silenceEndsATunnelAndTimeDoesNot(t *testing.T, d driver) {
	for timeout := soon; !spokeInTime(t, d, timeout); timeout *= 3 {
		if timeout > 10*time.Second {
			t.Fatal("no timeout is long enough for this machine")
		}
	}
}

// spokeInTime reports false if the endpoint was itself silent for so long, on a busy
// machine, that the tunnel may have ended for that.
func spokeInTime(t *testing.T, d driver, timeout time.Duration) bool {
	const dots = 10
	longest := make(chan time.Duration, 1)
	b := d.start(t, []string{upgrading(t, "", func(c *net.TCPConn, r *bufio.Reader) {
		var most time.Duration
		for range dots {
			last := time.Now()
			time.Sleep(timeout / 8)
			c.Write([]byte("."))
			most = max(most, time.Since(last))
		}
		longest <- most
		io.Copy(io.Discard, r)
	})}, withService(func(s *proxy.Service) { s.Timeout = timeout }), withRoute(func(r *proxy.Route) { r.Timeout = time.Minute }))
	c := b.upgrade("")
	c.SetDeadline(time.Now().Add(time.Minute))
	got := make([]byte, dots)
	n, _ := io.ReadFull(c.r, got)
	if most := <-longest; most > timeout/2 {
		c.Close()
		return false
	}
	if n < dots {
		t.Fatalf("the tunnel ended after %d of %d bytes", n, dots)
	}
	c.end()
	b.ended(0, `"cause":"connection_read_timeout"`)
	return true
}

func clientThatVanishesFromATunnelBlamesNobody(t *testing.T, d driver) {
	ended := make(chan error, 1)
	b := d.start(t, []string{upgrading(t, "hello", func(c *net.TCPConn, r *bufio.Reader) {
		_, err := io.Copy(io.Discard, r)
		ended <- err
	})})
	c := b.upgrade("")
	c.expect("hello")
	c.SetLinger(0)
	c.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the endpoint's read ended with %v, want a reset", err)
	}
	b.ended(0, `"cause":"client_gone"`)
}

func endpointsResetReachesTheClientOfATunnel(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", func(c *net.TCPConn, r *bufio.Reader) {
		io.ReadFull(r, make([]byte, 5))
		c.SetLinger(0) // and close
	})})
	c := b.upgrade("").send("hello")
	c.wantReset()
	b.ended(1, `"cause":"connection_terminated"`)
}

func refusedUpgradeGoesOnAsHTTP(t *testing.T, d driver) {
	for _, reply := range []string{
		ok,
		"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno",
	} {
		e := answer(t, reply)
		c := d.start(t, []string{e.addr}).dial()
		for range 3 {
			if resp, body := c.send(asking).response("GET"); fmt.Sprint(resp.StatusCode) != reply[9:12] || body != reply[len(reply)-2:] {
				t.Errorf("got %d %q, want %.16q", resp.StatusCode, body, reply)
			}
		}
		if n := e.conns.Load(); n != 1 {
			t.Errorf("three requests took %d connections to the endpoint, want 1", n)
		}
	}
}

func upgradeSetsTheAffinityCookie(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", echo)}, withService(func(s *proxy.Service) {
		s.Affinity = affinity.Rule{Kind: affinity.GeneratedCookie}
	}))
	resp, _ := b.dial().send(asking).response("GET")
	if resp.StatusCode != 101 || len(resp.Cookies()) != 1 {
		t.Errorf("got %d with cookies %v, want one", resp.StatusCode, resp.Cookies())
	}
}

func drainLeavesTunnelsAloneAndAbortEndsThem(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", echo)})
	c := b.upgrade("").send("x")
	c.expect("x")
	b.engine.Drain()
	c.send("y").expect("y")
	b.engine.Abort()
	if rest := c.all(); rest != "" {
		t.Errorf("after the end came %q", rest)
	}
	b.ended(0, `"cause":"connection_terminated"`)
}

// A halfCloser can end what it says and listen on.
type halfCloser interface {
	io.Writer
	CloseWrite() error
}

// says sends n bytes and closes that direction.
func says(c halfCloser, n int64, seed byte) {
	io.Copy(c, source(n, seed))
	c.CloseWrite()
}

func bulkThroughATunnelArrivesWhole(t *testing.T, d driver) {
	both := func(c halfCloser, r *bufio.Reader, seed, others byte) arrival {
		var up sync.WaitGroup
		defer up.Wait()
		up.Go(func() { says(c, bulk, seed) })
		return arrives(r, bulk, others)
	}
	far := make(chan arrival, 1)
	b := d.start(t, []string{upgrading(t, "", func(c *net.TCPConn, r *bufio.Reader) {
		far <- both(c, r, 2, 1)
	})})
	c := b.upgrade("")
	near := both(c, c.r, 1, 2)
	if there := <-far; !near.whole || !there.whole {
		t.Fatalf("%d bytes came to the client, %d to the endpoint, or they differ", near.n, there.n)
	}
	b.ended(0, `"cause":""`, fmt.Sprintf(`"bytes_in":%d,"bytes_out":%d`, bulk, bulk))
	for i, name := range proxy.Directions {
		spliced := b.service.Stats.TCPBytes[i][proxy.Spliced].Load()
		switch {
		case d.tls && spliced > 0:
			t.Errorf("%s: %d bytes went around TLS", name, spliced)
		case !d.tls && runtime.GOOS == "linux" && !faulty && spliced < bulk*9/10:
			t.Errorf("%s: only %d of %d bytes spliced", name, spliced, bulk)
		}
	}
}

func manyTunnelsAtOnce(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", echo)})
	var clients sync.WaitGroup
	tunnels := 200
	if d.tls || d.toTLS {
		tunnels = 80 // so many handshakes at once take a busy machine seconds
	}
	for i := range tunnels {
		clients.Go(func() {
			c := b.dial()
			early := strings.Repeat("e", i%100)
			if _, err := io.WriteString(c, asking+early); err != nil {
				t.Error(err)
				return
			}
			head := readHead(c.r)
			if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Errorf("got %q", head)
				return
			}
			got := make([]byte, len(early))
			if _, err := io.ReadFull(c.r, got); err != nil || string(got) != early {
				t.Errorf("early bytes: %q, %v", got, err)
			}
			n := int64(1 + i*997%300_000)
			var up sync.WaitGroup
			up.Go(func() { says(c, n, byte(i)) })
			if got := arrives(c.r, n, byte(i)); !got.whole {
				t.Errorf("%d bytes came back of %d, or they differ", got.n, n)
			}
			up.Wait()
			c.Close()
		})
	}
	clients.Wait()
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// Two 32 KiB windows a tunnel would be 13 MiB more for these.
func silentTunnelsHoldNoBuffers(t *testing.T, d driver) {
	const tunnels = 200
	b := d.start(t, []string{upgrading(t, "hello", echo)})
	before := heap()
	for range tunnels {
		c := b.upgrade("early")
		if _, err := io.ReadFull(c.r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	// The endpoint and the client, and their readers, live here, too; and where
	// there is TLS, both of its ends.
	most := int64(32 << 10)
	if d.tls || d.toTLS {
		most = 80 << 10
	}
	if each := (heap() - before) / tunnels; each > most {
		t.Errorf("%d bytes of heap per silent tunnel", each)
	} else {
		t.Logf("%d bytes of heap per silent tunnel", each)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // sync.Pool keeps its things through one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
