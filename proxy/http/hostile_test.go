package http_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func largeHeadsLeaveNoMemoryBehind(t *testing.T, d driver) {
	const clients = 100
	release := make(chan bool)
	b := d.start(t, []string{scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		<-release
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})}, quiet)
	before := heap()
	var all [clients]*rawClient
	for i := range all {
		all[i] = b.dial()
		all[i].send(get("Connection: close\r\nX: " + strings.Repeat("x", 60<<10) + "\r\n"))
	}
	b.active(clients)
	close(release)
	for i, c := range all {
		c.response("GET")
		c.closed()
		c.Close()
		all[i] = nil
	}
	b.active(0)
	testkit.Eventually(t, func() bool { return heap()-before < clients*20<<10 })
}

// A large head fills what the kernel holds for an endpoint that reads nothing.
func abortWhileARequestGoesOutBlamesNobody(t *testing.T, d driver) {
	over := make(chan bool)
	defer close(over)
	path := filepath.Join(t.TempDir(), "s")
	scriptedAt(t, "unix", path, func(int, net.Conn, *bufio.Reader) { <-over })
	b := d.start(t, []string{"unix:" + path}, withSettings(func(s *proxyhttp.Settings) { s.MaxHeaderBytes = 2 << 20 }))
	c := b.dial()
	go io.WriteString(c, get("X: "+strings.Repeat("x", 1<<20)+"\r\n"))
	b.active(1)
	b.engine.Abort()
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

func endpointThatWasRemovedKeepsNoConnection(t *testing.T, d driver) {
	asked, release, ended := make(chan bool), make(chan bool), make(chan bool)
	b := d.start(t, []string{scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		close(asked)
		<-release
		io.WriteString(c, ok)
		io.Copy(io.Discard, r)
		close(ended)
	})})
	c := b.dial().send(get(""))
	<-asked
	b.pools.Retain(func(*balance.Load) bool { return false })
	close(release)
	c.expect(ok)
	<-ended
}

// Times in one line of the access log are of one clock.
func timesInTheAccessLogAgree(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	c := b.dial()
	for range 50 {
		c.send(get("")).expect(ok)
	}
	b.end()
	for line := range strings.Lines(b.access.String()) {
		var times struct {
			First float64 `json:"first_byte"`
			Total float64 `json:"total"`
		}
		if err := json.Unmarshal([]byte(line), &times); err != nil {
			t.Fatal(err)
		}
		if times.First > times.Total {
			t.Fatalf("the response began after its end: %s", line)
		}
	}
}

// An endpoint that is known by its name is connected to elsewhere.
func abortEndsAConnectByName(t *testing.T, d driver, silent string) {
	_, port, _ := net.SplitHostPort(silent)
	b := d.start(t, []string{"localhost:" + port}, withService(func(s *proxy.Service) { s.ConnectTimeout = time.Minute; s.Timeout = time.Minute }))
	b.dial().send(get(""))
	b.active(1)
	b.engine.Abort()
	b.active(0)
	b.stop()
	if b.failures() != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

// Urgent data (RFC 6093) makes the kernel give less than there is.
func urgentBytesHoldNothingUp(t *testing.T, d driver, urgent func(*net.TCPConn, string)) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = 3 * time.Second }))
	c := b.dial()
	c.send(get("")).expect(ok)
	c.send("GET / HTTP/1.1\r\nHost: ")
	urgent(c.socket, "!")
	c.send("a\r\n\r\n").expect(ok)
}
