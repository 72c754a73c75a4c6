package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func drainFinishesWhatIsUnderWay(t *testing.T, d driver) {
	release := make(chan struct{})
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-release
		io.WriteString(w, "done")
	})
	b := d.start(t, []string{addr})
	idle := b.dial()
	idleDone := answer(t, ok)
	_ = idleDone
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	testkit.Eventually(t, func() bool {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	idle.closed() // the listener has closed before that, and the engine may not have heard
	close(release)
	resp, body := c.response("GET")
	if resp.StatusCode != 200 || body != "done" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.closed()
	<-stopped
}

func abortCutsEverything(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		switch head := readHead(r); {
		case strings.Contains(head, "Upgrade: websocket"):
			io.WriteString(c, switched)
		case strings.HasPrefix(head, "GET /half"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
		case strings.HasPrefix(head, "GET /flood"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			io.Copy(c, zeros{})
		}
		io.Copy(io.Discard, r)
	})
	b := d.start(t, []string{addr})
	clients := []*rawClient{
		b.dial(),
		b.dial().send("GET"),
		b.dial().send(get("")),
		b.dial().send(post("Content-Length: 9\r\n") + "x"),
		b.dial().send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n"),
		b.dial().send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"),
		b.upgrade(""),
	}
	b.active(5)
	b.engine.Abort()
	b.active(0)
	b.stop()
	for _, c := range clients {
		c.all()
	}
	if b.failures() != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

func pipelinedRequestIsAnsweredThoughADrainBegins(t *testing.T, d driver) {
	release := make(chan struct{})
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			<-release
			io.WriteString(c, "k")
		}
	})
	b := d.start(t, []string{addr})
	c := b.dial().send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	head := readHead(c.r) // the head is out, without Connection: close
	b.engine.Drain()
	close(release)
	c.expect("ok")
	if strings.Contains(head, "Connection: close") {
		t.Fatal("the drain came too early for this test")
	}
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.closed()
}

func drainLetsEveryPhaseComeToItsEnd(t *testing.T, d driver) {
	release := make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			switch {
			case head == "":
				return
			case strings.Contains(head, "Upgrade: websocket"):
				io.WriteString(c, switched)
				io.Copy(c, r)
				return
			case strings.HasPrefix(head, "GET /wait"):
				<-release
			case strings.HasPrefix(head, "GET /half"):
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
				<-release
				io.WriteString(c, "lf")
				continue
			case strings.HasPrefix(head, "POST"):
				io.ReadFull(r, make([]byte, 5))
			}
			io.WriteString(c, ok)
		}
	})
	b := d.start(t, []string{addr}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = time.Minute }))
	fresh, head, between := b.dial(), b.dial(), b.dial()
	body, waiting, half, tunnel := b.dial(), b.dial(), b.dial(), b.upgrade("")
	head.send("GET /he")
	between.send(get("")).expect(ok)
	body.send(post("Content-Length: 5\r\n") + "he")
	waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	half.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n").expect("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
	b.active(4)

	b.engine.Drain()
	between.end()
	const last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	head.send("ad HTTP/1.1\r\nHost: a\r\n\r\n").expect(last)
	head.end()
	body.send("llo").expect(last)
	body.end()
	close(release)
	waiting.expect(last)
	waiting.end()
	half.expect("lf")
	half.end()
	fresh.end()
	b.active(1)
	tunnel.send("still here").expect("still here")
	tunnel.CloseWrite()
	tunnel.end()
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// Who has just been answered may have sent the next request already: it is answered,
// and told that it was the last. Who has been silent for long is not waited for.
func drainHearsWhoHasJustBeenAnswered(t *testing.T, d driver) {
	b := d.start(t, []string{answer(t, ok).addr})
	c := b.dial()
	c.send(get("")).expect(ok)
	b.engine.Drain()
	resp, body := c.send(post("Content-Length: 0\r\n")).response("POST")
	if resp.StatusCode != 200 || body != "ok" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.end()
}
