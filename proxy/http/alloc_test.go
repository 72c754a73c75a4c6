//go:build !race && !faults

package http_test

import (
	"bufio"
	"net"
	"runtime"
	"testing"
)

// TestRequestsAllocateNothing sends many requests over one connection and
// counts what the whole process allocates meanwhile, which endpoint and client
// of this test do not.
func TestRequestsAllocateNothing(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		buf, reply := make([]byte, 4096), []byte(ok)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	})
	b := start(t, []string{addr}, quiet)
	c := b.dial()
	request := []byte("GET /index.html HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
	buf := make([]byte, 4096)
	round := func() {
		if _, err := c.TCPConn.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.TCPConn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		round()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 5000
	for range n {
		round()
	}
	runtime.ReadMemStats(&after)
	// A garbage collection may empty the pools once or twice meanwhile.
	if got := after.Mallocs - before.Mallocs; got > n/20 {
		t.Errorf("%d requests made %d allocations", n, got)
	}
}
