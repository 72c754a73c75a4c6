package h1_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// meaning writes down what a head was understood as, for comparison.
func meaning(r *h1.Request) string {
	s := string(r.Method) + " " + string(r.Path) + " @" + string(r.Authority)
	switch r.Framing {
	case h1.Length:
		s += " length"
	case h1.Chunked:
		s += " chunked"
	}
	if r.Close {
		s += " close"
	}
	if r.Upgrade != nil {
		s += " upgrade=" + string(r.Upgrade)
	}
	if r.ExpectContinue {
		s += " expect"
	}
	return s
}

var goodRequests = []struct{ promise, head, meaning string }{
	{"origin form", "GET /a%2Fb/../c?q=1&r HTTP/1.1\r\nHost: x.org\r\n\r\n", "GET /a%2Fb/../c @x.org"},
	{"double slash and lone question mark stay", "GET //a//? HTTP/1.1\r\nHost: x\r\n\r\n", "GET //a// @x"},
	{"one empty line may come first", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / @x"},
	{"own methods", "PROPFIND /dav HTTP/1.1\r\nHost: x\r\n\r\n", "PROPFIND /dav @x"},
	{"methods are case-sensitive", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "get / @x"},
	{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * @x"},
	{"absolute form", "GET http://x.org/p?q HTTP/1.1\r\nHost: x.org\r\n\r\n", "GET /p @x.org"},
	{"absolute form without path", "GET HTTP://x.org HTTP/1.1\r\nHost: X.ORG\r\n\r\n", "GET / @x.org"},
	{"absolute form with a query only", "GET http://x.org?q HTTP/1.1\r\nHost: x.org\r\n\r\n", "GET / @x.org"},
	{"absolute form, default port", "GET http://x.org:80/ HTTP/1.1\r\nHost: x.org\r\n\r\n", "GET / @x.org:80"},
	{"absolute form, default port of https", "GET https://x.org/ HTTP/1.1\r\nHost: x.org:443\r\n\r\n", "GET / @x.org"},
	{"absolute OPTIONS without path", "OPTIONS http://x.org HTTP/1.1\r\nHost: x.org\r\n\r\n", "OPTIONS * @x.org"},
	{"port", "GET / HTTP/1.1\r\nHost: x.org:65535\r\n\r\n", "GET / @x.org:65535"},
	{"empty port", "GET / HTTP/1.1\r\nHost: x.org:\r\n\r\n", "GET / @x.org:"},
	{"IPv4", "GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n\r\n", "GET / @192.0.2.1:8080"},
	{"IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", "GET / @[2001:db8::1]:8080"},
	{"IPv6, all groups", "GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8]\r\n\r\n", "GET / @[1:2:3:4:5:6:7:8]"},
	{"IPv6 with IPv4", "GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]\r\n\r\n", "GET / @[::ffff:192.0.2.1]"},
	{"IPv6, unspecified", "GET / HTTP/1.1\r\nHost: [::]\r\n\r\n", "GET / @[::]"},
	{"underscore in a host", "GET / HTTP/1.1\r\nHost: my_app.local\r\n\r\n", "GET / @my_app.local"},
	{"length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "POST / @x length"},
	{"length 0", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "POST / @x length"},
	{"largest length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n", "POST / @x length"},
	{"length with leading zeros", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\n", "POST / @x length"},
	{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n", "POST / @x chunked"},
	{"no space after the colon, tabs around the value", "GET / HTTP/1.1\r\nHost:x\r\nA:\t b \t\r\n\r\n", "GET / @x"},
	{"empty value", "GET / HTTP/1.1\r\nHost: x\r\nA:\r\nB: \r\n\r\n", "GET / @x"},
	{"obs-text and tabs in values", "GET / HTTP/1.1\r\nHost: x\r\nA: caf\xe9\t\xff\tlong enough for two words\r\n\r\n", "GET / @x"},
	{"every token character in a name", "GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~0aZ: b\r\n\r\n", "GET / @x"},
	{"1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / @ close"},
	{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / @"},
	{"1.0, close wins", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / @ close"},
	{"close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: foo ,, CLOSE\r\n\r\n", "GET / @x close"},
	{"upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / @x upgrade=websocket"},
	{"upgrade by POST without a body", "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n", "POST / @x length upgrade=tcp"},
	{"no upgrade: h2c", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", "GET / @x"},
	{"no upgrade: h2c among others", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", "GET / @x"},
	{"no upgrade: TLS", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", "GET / @x"},
	{"no upgrade: not in Connection", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", "GET / @x"},
	{"no upgrade: two fields", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", "GET / @x"},
	{"no upgrade: not a token", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: web socket\r\n\r\n", "GET / @x"},
	{"no upgrade: 1.0", "GET / HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / @x close"},
	{"no upgrade: a body", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n", "GET / @x length"},
	{"expect", "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n", "PUT / @x length expect"},
	{"expect without a body means nothing", "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", "PUT / @x"},
	{"expect in 1.0 means nothing", "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "PUT / @ length close"},
}

func TestSoundRequestIsUnderstood(t *testing.T) {
	for _, c := range goodRequests {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Request
			n, err := r.Parse([]byte(c.head+"GET /next HTTP/1.1\r\n"), h1.Limits{})
			if n != len(c.head) || err != nil {
				t.Fatalf("n %d of %d, error %v", n, len(c.head), err)
			}
			if got := meaning(&r); got != c.meaning {
				t.Errorf("\n got %s\nwant %s", got, c.meaning)
			}
		})
	}
}

func TestEveryPrefixOfASoundRequestIsIncomplete(t *testing.T) {
	for _, c := range goodRequests {
		var whole, trickle h1.Request
		for i := range len(c.head) {
			whole.Reset()
			if n, err := whole.Parse([]byte(c.head[:i]), h1.Limits{}); n != 0 || err != nil {
				t.Fatalf("%s: %q alone: n %d, error %v", c.promise, c.head[:i], n, err)
			}
			// Each call gets a buffer of its own, as if it had been moved.
			if n, err := trickle.Parse([]byte(c.head[:i]), h1.Limits{}); n != 0 || err != nil {
				t.Fatalf("%s: up to %q: n %d, error %v", c.promise, c.head[:i], n, err)
			}
		}
		if n, err := trickle.Parse([]byte(c.head), h1.Limits{}); n != len(c.head) || err != nil || meaning(&trickle) != c.meaning {
			t.Fatalf("%s: byte by byte: n %d, error %v, %s", c.promise, n, err, meaning(&trickle))
		}
	}
}

func get(fields string) string { return "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" }

var badRequests = []struct {
	promise, head string
	want          error
}{
	{"method with a bad byte", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrMethod},
	{"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrMethod},
	{"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrMethod},
	{"bare LF first", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrMethod},
	{"TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", h1.ErrMethod},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", h1.ErrVersion},
	{"HTTP/0.9", "GET /\r\n", h1.ErrTarget},
	{"two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"tab before the target", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrMethod},
	{"two spaces before the version", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"space after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"bare LF after the version", "GET / HTTP/1.1\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"bare CR after the version", "GET / HTTP/1.1\rHost: x\r\n\r\n", h1.ErrStartLine},
	{"NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"fragment in the target", "GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"non-ASCII in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"relative target", "GET index.html HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"authority form", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", h1.ErrConnect},
	{"other scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"userinfo", "GET http://a:b@x/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"absolute without authority", "GET http:///p HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTarget},
	{"absolute form of another host", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrHost},
	{"absolute form of another port", "GET http://x:81/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrHost},
	{"absolute form, default port of the other scheme", "GET http://x:443/ HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrHost},
	{"absolute form without Host", "GET http://x/ HTTP/1.1\r\n\r\n", h1.ErrHost},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", h1.ErrVersion},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", h1.ErrVersion},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"small letters in the version", "GET / http/1.1\r\nHost: x\r\n\r\n", h1.ErrStartLine},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", h1.ErrHost},
	{"two Hosts", get("host: x\r\n"), h1.ErrHost},
	{"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", h1.ErrHost},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", h1.ErrHost},
	{"userinfo in Host", "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", h1.ErrHost},
	{"path in Host", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", h1.ErrHost},
	{"list in Host", "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", h1.ErrHost},
	{"space in Host", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", h1.ErrHost},
	{"port without host", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", h1.ErrHost},
	{"port too large", "GET / HTTP/1.1\r\nHost: x:65536\r\n\r\n", h1.ErrHost},
	{"port not a number", "GET / HTTP/1.1\r\nHost: x:8a\r\n\r\n", h1.ErrHost},
	{"two ports", "GET / HTTP/1.1\r\nHost: x:1:2\r\n\r\n", h1.ErrHost},
	{"IPv6 without brackets", "GET / HTTP/1.1\r\nHost: 2001:db8::1\r\n\r\n", h1.ErrHost},
	{"IPv6, two gaps", "GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n", h1.ErrHost},
	{"IPv6, nine groups", "GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]\r\n\r\n", h1.ErrHost},
	{"IPv6, seven groups", "GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7]\r\n\r\n", h1.ErrHost},
	{"IPv6 with a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", h1.ErrHost},
	{"IPv6, open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", h1.ErrHost},
	{"IPv6, half gap", "GET / HTTP/1.1\r\nHost: [1:]\r\n\r\n", h1.ErrHost},
	{"IPv6, bad IPv4", "GET / HTTP/1.1\r\nHost: [::1.2.3.256]\r\n\r\n", h1.ErrHost},
	{"length and coding", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), h1.ErrBoth},
	{"coding and length", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), h1.ErrBoth},
	{"two lengths", get("Content-Length: 5\r\nContent-Length: 6\r\n"), h1.ErrLength},
	{"the same length twice", get("Content-Length: 5\r\nContent-Length: 5\r\n"), h1.ErrLength},
	{"list of lengths", get("Content-Length: 5, 5\r\n"), h1.ErrLength},
	{"signed length", get("Content-Length: +5\r\n"), h1.ErrLength},
	{"negative length", get("Content-Length: -5\r\n"), h1.ErrLength},
	{"hexadecimal length", get("Content-Length: 0x5\r\n"), h1.ErrLength},
	{"empty length", get("Content-Length:\r\n"), h1.ErrLength},
	{"overflowing length", get("Content-Length: 9223372036854775808\r\n"), h1.ErrLength},
	{"length with a space inside", get("Content-Length: 5 0\r\n"), h1.ErrLength},
	{"two codings", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), h1.ErrCoding},
	{"chunked twice", get("Transfer-Encoding: chunked, chunked\r\n"), h1.ErrCoding},
	{"chunked not last", get("Transfer-Encoding: chunked, gzip\r\n"), h1.ErrCoding},
	{"identity", get("Transfer-Encoding: identity\r\n"), h1.ErrCoding},
	{"xchunked", get("Transfer-Encoding: xchunked\r\n"), h1.ErrCoding},
	{"chunked with a parameter", get("Transfer-Encoding: chunked;q=1\r\n"), h1.ErrCoding},
	{"quoted chunked", get("Transfer-Encoding: \"chunked\"\r\n"), h1.ErrCoding},
	{"vertical tab before chunked", get("Transfer-Encoding: \x0bchunked\r\n"), h1.ErrValue},
	{"empty coding", get("Transfer-Encoding:\r\n"), h1.ErrCoding},
	{"gzip before chunked", get("Transfer-Encoding: gzip, chunked\r\n"), h1.ErrUnknown},
	{"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", h1.ErrCoding10},
	{"space before the colon", get("A : b\r\n"), h1.ErrName},
	{"tab before the colon", get("Transfer-Encoding\t: chunked\r\n"), h1.ErrName},
	{"space in a name", get("A b: c\r\n"), h1.ErrName},
	{"empty name", get(": c\r\n"), h1.ErrName},
	{"no colon", get("abc\r\n"), h1.ErrName},
	{"NUL in a name", get("a\x00b: c\r\n"), h1.ErrName},
	{"non-ASCII in a name", get("a\xe9: c\r\n"), h1.ErrName},
	{"folded line", get("A: b\r\n c\r\n"), h1.ErrFold},
	{"line folded with a tab", get("A: b\r\n\tc\r\n"), h1.ErrFold},
	{"first line begins with a space", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", h1.ErrFold},
	{"bare LF", get("A: b\nC: d\r\n"), h1.ErrValue},
	{"bare CR", get("A: b\rC: d\r\n"), h1.ErrValue},
	{"CR CR LF", get("A: b\r\r\n"), h1.ErrValue},
	{"empty line with a bare LF", "GET / HTTP/1.1\r\nHost: x\r\n\n", h1.ErrName},
	{"empty line with a bare CR", "GET / HTTP/1.1\r\nHost: x\r\n\rA: b\r\n\r\n", h1.ErrValue},
	{"NUL in a value", get("A: b\x00c\r\n"), h1.ErrValue},
	{"NUL in a long value", get("A: a long value, longer than a few words\x00c\r\n"), h1.ErrValue},
	{"DEL in a value", get("A: b\x7fc\r\n"), h1.ErrValue},
	{"escape in a value", get("A: \x1b[0m\r\n"), h1.ErrValue},
	{"Connection option that is no token", get("Connection: a b\r\n"), h1.ErrOptions},
	{"too many Connection options", get("Connection: " + strings.Repeat("a,", 33) + "\r\n"), h1.ErrOptions},
	{"other expectation", get("Expect: 200-ok\r\n"), h1.ErrExpect},
	{"two expectations", get("Expect: 100-continue\r\nExpect: 100-continue\r\n"), h1.ErrExpect},
	{"too many fields", get(strings.Repeat("a: b\r\n", 256)), h1.ErrFields},
	{"head too large", get(strings.Repeat("a: "+strings.Repeat("b", 1000)+"\r\n", 70)), h1.ErrHeadSize},
	{"target too long", "GET /" + strings.Repeat("a", 70000) + " HTTP/1.1\r\nHost: x\r\n\r\n", h1.ErrTargetLen},
}

func TestUnsoundRequestIsRefused(t *testing.T) {
	for _, c := range badRequests {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Request
			if n, err := r.Parse([]byte(c.head), h1.Limits{}); n != 0 || err != c.want {
				t.Errorf("whole: n %d, error %v, want %v", n, err, c.want)
			}
			r.Reset()
			var err error
			head := []byte(c.head)
			for i := 1; i <= len(head) && err == nil; i++ {
				var n int
				if n, err = r.Parse(head[:i], h1.Limits{}); n != 0 {
					t.Fatalf("byte by byte: accepted %q", c.head[:i])
				}
			}
			if err == nil {
				t.Error("byte by byte: not refused")
			}
		})
	}
}

func TestGarbageIsRefusedBeforeTheHeadIsComplete(t *testing.T) {
	for _, c := range []struct{ promise, first, then string }{
		{"TLS", "", "\x16"},
		{"bare LF in a field", "GET / HTTP/1.1\r\nHost: x\r\nA: b", "\n"},
		{"bare LF after a pause within the request line", "GET / HT", "TP/1.1\n"},
		{"NUL", "GET / HTTP/1.1\r\nHos", "t: \x00"},
		{"wrong version", "", "GET / HTTP/3"},
		{"CR, then something else", "GET / HTTP/1.1\r\nHost: x\r", "y"},
	} {
		var r h1.Request
		if n, err := r.Parse([]byte(c.first), h1.Limits{}); n != 0 || err != nil {
			t.Fatalf("%s: %q: n %d, error %v", c.promise, c.first, n, err)
		}
		if _, err := r.Parse([]byte(c.first+c.then), h1.Limits{}); err == nil {
			t.Errorf("%s: not refused after %q", c.promise, c.first+c.then)
		}
	}
}

func TestLimitsAreExact(t *testing.T) {
	head := get("A: b\r\nC: d\r\n")
	for _, c := range []struct {
		lim  h1.Limits
		want error
	}{
		{h1.Limits{HeadBytes: len(head), Fields: 3}, nil},
		{h1.Limits{HeadBytes: len(head) - 1}, h1.ErrHeadSize},
		{h1.Limits{Fields: 2}, h1.ErrFields},
		{h1.Limits{HeadBytes: 10}, h1.ErrTargetLen},
	} {
		for _, tail := range []string{"", "more"} {
			var r h1.Request
			if _, err := r.Parse([]byte(head+tail), c.lim); c.want == nil && err != nil || c.want != nil && err != c.want {
				t.Errorf("%+v: %v, want %v", c.lim, err, c.want)
			}
		}
	}
}

func TestRequestIsReusable(t *testing.T) {
	var r h1.Request
	for range 2 {
		for _, c := range goodRequests {
			if _, err := r.Parse([]byte(c.head), h1.Limits{}); err != nil || meaning(&r) != c.meaning {
				t.Fatalf("%s: %v, %s", c.promise, err, meaning(&r))
			}
			for _, bad := range badRequests[:3] {
				if _, err := r.Parse([]byte(bad.head), h1.Limits{}); err != bad.want {
					t.Fatalf("%s: %v", bad.promise, err)
				}
			}
		}
	}
	if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: left halfway"), h1.Limits{}); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	if n, err := r.Parse([]byte("GET / HTTP/1.0\r\n\r\n....................."), h1.Limits{}); n != 18 || err != nil {
		t.Fatalf("after Reset: n %d, error %v", n, err)
	}
}

func TestFieldsKeepOrderCaseAndDuplicates(t *testing.T) {
	var r h1.Request
	if _, err := r.Parse([]byte(get("b: 1\r\nA:  two words \r\nB: 3\r\na:\r\n")), h1.Limits{}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range r.Fields {
		b.WriteString(string(f.Name) + "=" + string(f.Value) + ";")
	}
	if got, want := b.String(), "Host=x;b=1;A=two words;B=3;a=;"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestIdempotentMethods(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "TRACE": true,
		"POST": false, "PATCH": false, "get": false, "QUERY": false,
	} {
		r := h1.Request{Method: []byte(method)}
		if r.Idempotent() != want {
			t.Errorf("%s: %v", method, !want)
		}
	}
}
