package http_test

import (
	"strings"
	"testing"
)

func headForEndpointIsRewrittenAndNothingElse(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	c := b.dial().send("GET /a//b/../c%2f?x=%zz HTTP/1.1\r\nhOST: Example.com\r\nX-Keep: 1\r\nx-keep: 2\r\n" +
		"Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
	c.response("GET")
	head := <-e.heads
	for _, want := range []string{"GET /a//b/../c%2f?x=%zz HTTP/1.1\r\n", "Example.com\r\n", "X-Keep: 1\r\nx-keep: 2\r\n",
		"Via: 1.1 spillway\r\n", "X-Forwarded-Proto: http\r\n", "1.2.3.4, 127.0.0.1\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in %q", want, head)
		}
	}
	for _, no := range []string{"X-Hop", "Keep-Alive", "Connection"} {
		if strings.Contains(head, no) {
			t.Errorf("%s was forwarded: %q", no, head)
		}
	}
}

func oldRequestWithoutHostGetsOne(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	b.dial().send("GET / HTTP/1.0\r\n\r\n").all()
	if head := <-e.heads; !strings.Contains(head, "Host: "+b.addr+"\r\n") {
		t.Errorf("the endpoint got %q", head)
	}
}
