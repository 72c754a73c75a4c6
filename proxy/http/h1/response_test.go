package h1_test

import (
	"fmt"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

func answer(r *h1.Response) string {
	s := fmt.Sprintf("%d", r.Status)
	switch r.Framing {
	case h1.Length:
		s += fmt.Sprintf(" length %d", r.Length)
	case h1.Chunked:
		s += " chunked"
	case h1.UntilClose:
		s += " until"
	}
	if r.Close {
		s += " close"
	}
	if r.Upgrade != nil {
		s += " upgrade=" + string(r.Upgrade)
	}
	return s
}

var goodResponses = []struct{ promise, method, head, meaning string }{
	{"length", "GET", "HTTP/1.1 200 OK\nContent-Length: 3\n\n", "200 length 3"},
	{"chunked", "GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", "200 chunked"},
	{"neither", "GET", "HTTP/1.1 200 OK\n\n", "200 until close"},
	{"empty reason", "GET", "HTTP/1.1 200 \nContent-Length: 0\n\n", "200 length 0"},
	{"no reason", "GET", "HTTP/1.1 200\nContent-Length: 0\n\n", "200 length 0"},
	{"obs-text in a reason", "GET", "HTTP/1.1 404 Pas trouv\xe9\nContent-Length: 0\n\n", "404 length 0"},
	{"unheard-of status", "GET", "HTTP/1.1 999 Yes\nContent-Length: 0\n\n", "999 length 0"},
	{"HEAD has no body", "HEAD", "HTTP/1.1 200 OK\nContent-Length: 3\n\n", "200"},
	{"HEAD of a chunked resource", "HEAD", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", "200"},
	{"HEAD of anything", "HEAD", "HTTP/1.1 200 OK\n\n", "200"},
	{"304 has no body", "GET", "HTTP/1.1 304 Not Modified\nContent-Length: 3\n\n", "304"},
	{"204 has no body", "GET", "HTTP/1.1 204 No Content\n\n", "204"},
	{"204 with length 0", "GET", "HTTP/1.1 204 No Content\nContent-Length: 0\n\n", "204"},
	{"204 with a length: what follows is not trusted", "GET", "HTTP/1.1 204 No Content\nContent-Length: 3\n\n", "204 close"},
	{"204 with chunks: what follows is not trusted", "GET", "HTTP/1.1 204 No Content\nTransfer-Encoding: chunked\n\n", "204 close"},
	{"interim", "GET", "HTTP/1.1 100 Continue\n\n", "100"},
	{"early hints", "GET", "HTTP/1.1 103 Early Hints\nLink: </a>\n\n", "103"},
	{"switch", "GET", "HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\n\n", "101 close upgrade=websocket"},
	{"Upgrade elsewhere is no switch", "GET", "HTTP/1.1 426 Upgrade Required\nConnection: upgrade\nUpgrade: websocket\nContent-Length: 0\n\n", "426 length 0"},
	{"close", "GET", "HTTP/1.1 200 OK\nContent-Length: 3\nConnection: close\n\n", "200 length 3 close"},
	{"1.0 closes", "GET", "HTTP/1.0 200 OK\nContent-Length: 3\n\n", "200 length 3 close"},
	{"1.0 keep-alive", "GET", "HTTP/1.0 200 OK\nContent-Length: 3\nConnection: keep-alive\n\n", "200 length 3"},
	{"1.0 keep-alive without length closes", "GET", "HTTP/1.0 200 OK\nConnection: keep-alive\n\n", "200 until close"},
	{"Host and Expect mean nothing", "GET", "HTTP/1.1 200 OK\nHost: a b\nHost: c\nExpect: x\nContent-Length: 3\n\n", "200 length 3"},
}

func TestSoundResponseIsUnderstood(t *testing.T) {
	for _, c := range goodResponses {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Response
			head := []byte(lines(c.head))
			for i := range head {
				if n, err := r.Parse(head[:i], []byte(c.method), h1.Limits{}); n != 0 || err != nil {
					t.Fatalf("up to %q: n %d, error %v", head[:i], n, err)
				}
			}
			if n, err := r.Parse(append(head, "body"...), []byte(c.method), h1.Limits{}); n != len(head) || err != nil {
				t.Fatalf("n %d of %d, error %v", n, len(head), err)
			}
			if got := answer(&r); got != c.meaning {
				t.Errorf("got %s want %s", got, c.meaning)
			}
		})
	}
}

func TestUnsoundResponseIsRefused(t *testing.T) {
	ok := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" }
	for _, c := range []struct {
		promise, head string
		want          error
	}{
		{"empty line first", "\r\n" + ok(""), h1.ErrStartLine},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n", h1.ErrStartLine},
		{"ICY", "ICY 200 OK\r\n\r\n", h1.ErrStartLine},
		{"HTTP/2", "HTTP/2 200\r\n\r\n", h1.ErrVersion},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", h1.ErrVersion},
		{"two digits", "HTTP/1.1 99 No\r\n\r\n", h1.ErrStartLine},
		{"status below 100", "HTTP/1.1 099 No\r\n\r\n", h1.ErrStartLine},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", h1.ErrStartLine},
		{"sign", "HTTP/1.1 +20 OK\r\n\r\n", h1.ErrStartLine},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", h1.ErrStartLine},
		{"tab", "HTTP/1.1\t200 OK\r\n\r\n", h1.ErrStartLine},
		{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", h1.ErrStartLine},
		{"bare LF after the status line", "HTTP/1.1 200 OK\nA: b\r\n\r\n", h1.ErrStartLine},
		{"bare LF after a field", ok("A: b\nC: d\r\n"), h1.ErrValue},
		{"folded line", ok("A: b\r\n c\r\n"), h1.ErrFold},
		{"space before the colon", ok("Content-Length : 3\r\n"), h1.ErrName},
		{"length and coding", ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), h1.ErrBoth},
		{"two lengths", ok("Content-Length: 3\r\nContent-Length: 4\r\n"), h1.ErrLength},
		{"list of lengths", ok("Content-Length: 3,3\r\n"), h1.ErrLength},
		{"unknown coding", ok("Transfer-Encoding: gzip\r\n"), h1.ErrCoding},
		{"gzip before chunked", ok("Transfer-Encoding: gzip, chunked\r\n"), h1.ErrUnknown},
		{"coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", h1.ErrCoding10},
		{"interim with a body", "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n", h1.ErrInterim},
		{"interim with chunks", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", h1.ErrInterim},
		{"101 to nothing", "HTTP/1.1 101 Switching Protocols\r\n\r\n", h1.ErrSwitch},
		{"101 without Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", h1.ErrSwitch},
		{"101 to h2c", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", h1.ErrSwitch},
	} {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Response
			if n, err := r.Parse([]byte(c.head), []byte("GET"), h1.Limits{}); n != 0 || err != c.want {
				t.Errorf("n %d, error %v, want %v", n, err, c.want)
			}
		})
	}
}

func TestOnlyWhatWasAskedForIsAnUpgrade(t *testing.T) {
	for _, c := range []struct {
		asked, switched string
		want            bool
	}{
		{"websocket", "WebSocket", true},
		{"foo/2, websocket", "websocket", true},
		{"websocket", "tcp", false},
		{"websocket", "websocket, tcp", false},
	} {
		var req h1.Request
		var resp h1.Response
		if _, err := req.Parse([]byte(get("Connection: upgrade\r\nUpgrade: "+c.asked+"\r\n")), h1.Limits{}); err != nil {
			t.Fatal(err)
		}
		head := "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " + c.switched + "\r\n\r\n"
		if _, err := resp.Parse([]byte(head), req.Method, h1.Limits{}); err != nil {
			t.Fatal(err)
		}
		if req.Upgraded(&resp) != c.want {
			t.Errorf("asked %s, switched to %s: %v", c.asked, c.switched, !c.want)
		}
	}
	var plain h1.Request
	var resp h1.Response
	if plain.Upgraded(&resp) {
		t.Error("no switch is taken for one")
	}
}
