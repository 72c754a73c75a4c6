package admin_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
)

// get sends GET path on an open connection and reads the answer.
func get(t *testing.T, conn net.Conn, path string) *http.Response {
	t.Helper()
	io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, r.Body)
	return r
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestIdleAndSilentConnectionsDoNotHoldUpAStop(t *testing.T) {
	s := serve(t, admin.Options{})
	idle, silent := dial(t, s.addr), dial(t, s.addr)
	for range 2 { // the connection is kept
		if r := get(t, idle, "/livez"); r.StatusCode != 200 {
			t.Fatal(r.Status)
		}
	}
	s.stop() // returns when all is gone
	for _, conn := range []net.Conn{idle, silent} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("the listener is still open")
	}
}

func TestARequestUnderWayIsAnsweredBeforeTheStop(t *testing.T) {
	inside, release := make(chan bool), make(chan bool)
	s := serve(t, admin.Options{Ready: func() (bool, string) {
		inside <- true
		<-release
		return true, ""
	}})
	conn := dial(t, s.addr)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-inside
		// By the time the server has closed its listener it is stopping.
		wg.Go(s.stop)
		for {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				break
			}
			c.Close()
		}
		close(release)
	})
	if r := get(t, conn, "/readyz"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	wg.Wait()
}

func TestAProfileEndsWhenTheServerStops(t *testing.T) {
	s := serve(t, admin.Options{Pprof: true})
	conn := dial(t, s.addr)
	// An execution trace of five minutes: that it has begun shows on the wire.
	io.WriteString(conn, "GET /debug/pprof/trace?seconds=300 HTTP/1.1\r\nHost: x\r\n\r\n")
	get(t, dial(t, s.addr), "/livez") // served after the other was accepted
	s.stop()
}

// A shortage hands out errors before it hands out connections.
type shortage struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (l *shortage) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAShortageOfDescriptorsIsWaitedOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, admin.Options{}, &shortage{Listener: l, left: 3})
	s.do("GET", "/livez", "").want(t, 200)
}

func TestAListenerThatFailsIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := admin.NewServer(admin.Options{}).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
}
