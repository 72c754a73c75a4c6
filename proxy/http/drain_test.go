package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
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
	close(release)
	resp, body := c.response("GET")
	if resp.StatusCode != 200 || body != "done" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.closed()
	idle.closed()
	<-stopped
}

func abortCutsEverything(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	b := d.start(t, []string{addr})
	b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
	b.dial().send("GET")
	b.active(2)
	b.engine.Abort()
	b.active(0)
	b.stop()
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
