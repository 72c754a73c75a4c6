package h1_test

import (
	"fmt"
	"strings"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

func show(b []byte) { fmt.Print(strings.ReplaceAll(string(b), "\r\n", "\n")) }

// A request on its way through a proxy.
func Example() {
	received := []byte("POST /upload HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5\r\nhello\r\n0\r\n\r\n")

	var r h1.Request
	n, err := r.Parse(received, h1.Limits{})
	if err != nil {
		show(h1.AppendError(nil, err.(*h1.Error).Status, "http_request_error", err.Error(), 0, true))
		return
	}
	show(r.AppendTo(nil, &h1.Forward{Client: []byte("192.0.2.1"), Proto: "http"}))

	var body h1.Body
	body.Reset(r.Framing, r.Length)
	m, err := body.Follow(received[n:])
	fmt.Println(m, "bytes of body, done:", body.Done(), err)

	// Output:
	// POST /upload HTTP/1.1
	// Host: example.com
	// X-Forwarded-For: 192.0.2.1
	// X-Forwarded-Proto: http
	// X-Forwarded-Host: example.com
	// Via: 1.1 spillway
	// Transfer-Encoding: chunked
	//
	// 15 bytes of body, done: true <nil>
}

func ExampleBody_Next() {
	var b h1.Body
	b.Reset(h1.Chunked, 0)
	for _, piece := range []string{"5\r\nhel", "lo\r\n6\r\n world\r\n0", "\r\n\r\nGET /next"} {
		for p := []byte(piece); len(p) > 0 && !b.Done(); {
			n, data, err := b.Next(p)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%q ", data)
			p = p[n:]
		}
	}
	fmt.Println(b.Done())
	// Output: "hel" "lo" " world" "" true
}
