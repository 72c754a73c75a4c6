//go:build !race && !faults

package http_test

import (
	"bufio"
	"net"
	"runtime"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

// As TestRequestsAllocateNothing, for routes that do something.
func TestActionsAllocateNothing(t *testing.T) {
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
	header := edit(t, []string{"User-Agent", "Server"}, proxy.HeaderField{Name: "X-A", Value: "b"})
	for name, a := range map[string]proxy.Actions{
		"rewrite":  {PathRewrite: "/", HostRewrite: []byte("b"), Request: header, Response: header},
		"redirect": {Redirect: &proxy.Redirect{Status: 301, Prefix: "/", HTTPS: true}, Response: header},
		"fixed":    {Fixed: &proxy.FixedResponse{Status: 200, Body: []byte("ok")}},
	} {
		c := start(t, []string{addr}, quiet, acting(a)).dial()
		request := []byte("GET /v1/../v1/index.html?q HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
		buf := make([]byte, 4096)
		rounds := func(n int) {
			for range n {
				if _, err := c.TCPConn.Write(request); err != nil {
					t.Fatal(err)
				}
				if _, err := c.TCPConn.Read(buf); err != nil {
					t.Fatal(err)
				}
			}
		}
		rounds(100)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const n = 2000
		rounds(n)
		runtime.ReadMemStats(&after)
		if got := after.Mallocs - before.Mallocs; got > n/10 { // pools may be emptied meanwhile
			t.Errorf("%s: %d requests made %d allocations", name, n, got)
		}
	}
}
