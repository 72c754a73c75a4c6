package soak_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// malformedHeads are refused with an answer, and never reach an endpoint. What
// follows on the connection is not a request.
var malformedHeads = []string{
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n012345",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n01234",
	"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"POST %s HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nX-Nul: \x00\r\n\r\n",
	"GET %s HTTP/1.1\nHost: a\n\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET %s HTTP/1.1\r\n\r\n",
	"GET %s HTTP/3.0\r\nHost: a\r\n\r\n",
	"GET  %s HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 70<<10) + "\r\n\r\n",
	"\x16\x03\x01\x02\x00%s\r\n\r\n",
}

// malformedBodies follow a sound head. An endpoint may get that, but never an
// end of the body.
var malformedBodies = []string{
	"zz\r\n", "-1\r\nx\r\n", "5\nhello\n", "5\r\n00000behind\r\n", "fffffffffffffffff\r\n", "0\r\nbad trailer\r\n\r\n",
}

func (c *client) malformed() {
	conn := c.dial("web")
	if conn == nil {
		return
	}
	defer conn.Close()
	follower := "GET /steady/malformed?behind HTTP/1.1\r\nHost: a\r\n\r\n"
	if c.r.IntN(4) == 0 {
		p := c.plan()
		p.service, p.fate, p.method, p.upload, p.expect = "steady", fine, "POST", chunked, false
		p.up = 1 << 20 // never to be there
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\n%sTransfer-Encoding: chunked\r\n\r\n", p.target(), p.header())
		io.WriteString(conn, head+oneOf(c.r, malformedBodies...)+follower)
	} else {
		fmt.Fprintf(conn, oneOf(c.r, malformedHeads...)+follower, "/steady/malformed")
	}
	got, err := io.ReadAll(conn)
	switch {
	case err != nil && !isCut(err):
		c.stuck("client: malformed, and no end: %v", err)
	case err == nil && !ownRefusal.Match(got), bytes.Count(got, []byte("HTTP/1.1 ")) > 1:
		c.wrong("client: malformed, and the answer was %.200q", got)
	}
	c.count("sessions", "malformed")
}
