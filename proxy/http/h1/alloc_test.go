//go:build !race

package h1_test

import (
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

func TestNothingIsAllocatedPerMessage(t *testing.T) {
	var req h1.Request
	var resp h1.Response
	var body h1.Body
	out := make([]byte, 0, 4096)
	requests := [][]byte{[]byte(smallRequest), []byte(browserRequest), []byte(get("Connection: a, b, Cookie\r\nA: 1\r\nB: 2\r\nVia: 1.1 x\r\nX-Forwarded-For: y\r\nContent-Length: 5\r\n")), []byte(badRequests[0].head)}
	response, method := []byte(typicalResponse), []byte("GET")
	chunks := []byte("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n")
	reply := h1.Reply{Close: true, SetCookie: []byte("a=b")}
	allocs := testing.AllocsPerRun(100, func() {
		for _, head := range requests {
			if _, err := req.Parse(head[:len(head)/2], h1.Limits{}); err == nil {
				if _, err := req.Parse(head, h1.Limits{}); err != nil {
					t.Error(err)
				}
				out = req.AppendTo(out[:0], &forward)
				_ = req.Hops()
			}
		}
		if _, err := resp.Parse(response, method, h1.Limits{}); err != nil {
			t.Error(err)
		}
		out = resp.AppendTo(out[:0], &reply)
		out = h1.AppendError(out[:0], 502, "connection_refused", "no endpoint\n", 0, true)
		body.Reset(h1.Chunked, 0)
		if _, err := body.Follow(chunks); err != nil {
			t.Error(err)
		}
		req.Reset()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
