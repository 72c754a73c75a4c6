package h1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// feed gives wire to a body in pieces of size, and returns the payload, the bytes
// consumed and how it ended.
func feed(f h1.Framing, length int64, wire string, size int) (payload string, n int, b h1.Body, err error) {
	b.Reset(f, length)
	for n < len(wire) && !b.Done() {
		piece := wire[n:min(n+size, len(wire))]
		m, data, err := b.Next([]byte(piece))
		n += m
		payload += string(data)
		if err != nil {
			return payload, n, b, err
		}
		if m == 0 {
			return payload, n, b, fmt.Errorf("no progress at %d", n)
		}
	}
	return payload, n, b, nil
}

var goodBodies = []struct {
	promise string
	framing h1.Framing
	length  int64
	wire    string
	payload string
	size    int // of the body on the wire
}{
	{"none", h1.NoBody, 0, "GET /", "", 0},
	{"length 0", h1.Length, 0, "GET /", "", 0},
	{"length", h1.Length, 5, "helloGET /", "hello", 5},
	{"no chunk", h1.Chunked, 0, "0\r\n\r\nGET /", "", 5},
	{"chunks", h1.Chunked, 0, "5\r\nhello\r\n1\r\n \r\n00A\r\nbig\r\nworld\r\n0\r\n\r\nGET /", "hello big\r\nworld", 38},
	{"extensions", h1.Chunked, 0, "5;a=b;c=\"d e\"\r\nhello\r\n0;x \t\r\n\r\n", "hello", 31},
	{"trailers", h1.Chunked, 0, "1\r\na\r\n000\r\nGrpc-Status: 0\r\nServer-Timing:\t\r\n\r\nGET /", "a", 46},
	{"until close", h1.UntilClose, 0, "anything\r\n0\r\n\r\n", "anything\r\n0\r\n\r\n", 15},
}

func TestBodyIsFollowedInPiecesOfAnySize(t *testing.T) {
	for _, c := range goodBodies {
		for size := 1; size <= len(c.wire); size++ {
			payload, n, b, err := feed(c.framing, c.length, c.wire, size)
			if payload != c.payload || n != c.size || err != nil || b.EOF() != nil {
				t.Fatalf("%s, by %d: payload %q, n %d, error %v, EOF %v", c.promise, size, payload, n, err, b.EOF())
			}
		}
		var b h1.Body
		b.Reset(c.framing, c.length)
		if n, err := b.Follow([]byte(c.wire)); n != c.size || err != nil {
			t.Errorf("%s: Follow: n %d, error %v", c.promise, n, err)
		}
	}
}

func TestACutIsNotAnEnd(t *testing.T) {
	for _, c := range goodBodies {
		if c.framing == h1.UntilClose {
			continue
		}
		for i := range c.size {
			var b h1.Body
			b.Reset(c.framing, c.length)
			if n, err := b.Follow([]byte(c.wire[:i])); n != i || err != nil || b.Done() || b.EOF() != h1.ErrCut {
				t.Fatalf("%s, after %q: n %d, error %v, done %v, EOF %v", c.promise, c.wire[:i], n, err, b.Done(), b.EOF())
			}
		}
	}
}

func TestUnsoundChunksAreRefused(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		promise, wire string
		want          error
	}{
		{"no size", "\r\n", h1.ErrChunk},
		{"only an extension", ";a\r\n", h1.ErrChunk},
		{"not a number", "g\r\n", h1.ErrChunk},
		{"sign", "+5\r\nhello\r\n", h1.ErrChunk},
		{"minus", "-5\r\nhello\r\n", h1.ErrChunk},
		{"0x", "0x5\r\nhello\r\n", h1.ErrChunk},
		{"underscore", "1_0\r\n", h1.ErrChunk},
		{"space first", " 5\r\nhello\r\n", h1.ErrChunk},
		{"space last", "5 \r\nhello\r\n", h1.ErrChunk},
		{"space before an extension", "5 ;a\r\nhello\r\n", h1.ErrChunk},
		{"overflow", "8000000000000000\r\n", h1.ErrChunk},
		{"too many digits", "00000000000000005\r\n", h1.ErrChunk},
		{"bare LF after the size", "5\nhello\r\n", h1.ErrChunk},
		{"bare CR after the size", "5\rhello\r\n", h1.ErrChunk},
		{"bare LF in an extension", "5;a\nhello\r\n", h1.ErrChunk},
		{"bare CR in an extension", "5;a\rb\r\nhello\r\n", h1.ErrChunk},
		{"NUL in an extension", "5;\x00\r\nhello\r\n", h1.ErrChunk},
		{"data longer than its size", "5\r\nhello!\r\n", h1.ErrChunk},
		{"bare LF after the data", "5\r\nhello\n0\r\n\r\n", h1.ErrChunk},
		{"bare CR after the data", "5\r\nhello\r0\r\n\r\n", h1.ErrChunk},
		{"long extension", "5;" + long + "\r\nhello\r\n", h1.ErrOverhead},
		{"an extension per byte", strings.Repeat("1;"+long[:1000]+"\r\na\r\n", 20), h1.ErrOverhead},
		{"trailer with a bare LF", "0\r\nA: b\n\r\n", h1.ErrTrailer},
		{"trailers end with a bare LF", "0\r\nA: b\r\n\n", h1.ErrTrailer},
		{"trailers end with a bare CR", "0\r\n\rA", h1.ErrTrailer},
		{"space before the colon", "0\r\nA : b\r\n\r\n", h1.ErrTrailer},
		{"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", h1.ErrTrailer},
		{"trailer without colon", "0\r\nA\r\n\r\n", h1.ErrTrailer},
		{"trailer without name", "0\r\n: b\r\n\r\n", h1.ErrTrailer},
		{"NUL in a trailer", "0\r\nA: \x00\r\n\r\n", h1.ErrTrailer},
		{"large trailers", "0\r\nA: " + long + "\r\nB: " + long + "\r\n\r\n", h1.ErrTrailer},
		{"Content-Length", "0\r\ncontent-length: 5\r\n\r\n", h1.ErrTrailer},
		{"Transfer-Encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n", h1.ErrTrailer},
		{"Host", "0\r\nHOST: a\r\n\r\n", h1.ErrTrailer},
		{"Connection", "0\r\nConnection: close\r\n\r\n", h1.ErrTrailer},
		{"Trailer", "0\r\nTrailer: a\r\n\r\n", h1.ErrTrailer},
		{"Authorization", "0\r\nAuthorization: a\r\n\r\n", h1.ErrTrailer},
		{"Proxy-Authorization", "0\r\nProxy-Authorization: a\r\n\r\n", h1.ErrTrailer},
		{"Set-Cookie", "0\r\nA: b\r\nSet-Cookie: a\r\n\r\n", h1.ErrTrailer},
		{"X-Forwarded-For", "0\r\nX-Forwarded-For: a\r\n\r\n", h1.ErrTrailer},
		{"X-Forwarded-Anything-However-Long", "0\r\nX-Forwarded-Anything-However-Long: a\r\n\r\n", h1.ErrTrailer},
	} {
		t.Run(c.promise, func(t *testing.T) {
			for _, size := range []int{1, 7, len(c.wire)} {
				_, n, b, err := feed(h1.Chunked, 0, c.wire, size)
				if err != c.want {
					t.Errorf("by %d: error %v, want %v", size, err, c.want)
				}
				if m, data, again := b.Next([]byte("0\r\n\r\n")); m != 0 || len(data) != 0 || again != c.want || b.EOF() != c.want {
					t.Errorf("by %d: after the error at %d it goes on: %d %q %v", size, n, m, data, again)
				}
			}
		})
	}
}

func TestOneByteChunksAreNotTooMuch(t *testing.T) {
	payload, _, b, err := feed(h1.Chunked, 0, strings.Repeat("1\r\na\r\n", 20000)+"0\r\n\r\n", 4096)
	if len(payload) != 20000 || err != nil || !b.Done() {
		t.Errorf("payload %d, error %v", len(payload), err)
	}
}

func TestPayloadMayGoByOutside(t *testing.T) {
	var b h1.Body
	b.Reset(h1.Chunked, 0)
	if b.Remaining() != 0 {
		t.Errorf("before the first size: %d", b.Remaining())
	}
	if n, data, err := b.Next([]byte("1000\r\nabc")); n != 9 || string(data) != "abc" || err != nil || b.Remaining() != 4093 {
		t.Fatalf("n %d, data %q, error %v, remaining %d", n, data, err, b.Remaining())
	}
	b.Advance(4000)
	b.Advance(93)
	if b.Remaining() != 0 || b.Done() {
		t.Fatalf("remaining %d, done %v", b.Remaining(), b.Done())
	}
	if n, err := b.Follow([]byte("\r\n0\r\n\r\n")); n != 7 || err != nil || !b.Done() {
		t.Fatalf("n %d, error %v", n, err)
	}

	b.Reset(h1.Length, 10)
	b.Advance(10)
	if !b.Done() || b.Remaining() != 0 {
		t.Error("length: not done")
	}
	b.Reset(h1.UntilClose, 0)
	b.Advance(1 << 40)
	if b.Done() || b.Remaining() != -1 {
		t.Error("until close: ended by itself")
	}
	b.Reset(h1.Length, 10)
	defer func() {
		if recover() == nil {
			t.Error("more than remaining is accepted")
		}
	}()
	b.Advance(11)
}

// TestRemainingIsNothingInsideFraming: a chunk's size that has come halfway is a
// number too, and a driver that took it for the size would splice the other half.
func TestRemainingIsNothingInsideFraming(t *testing.T) {
	const wire = "1400000;x=1400000\r\n"
	var b h1.Body
	b.Reset(h1.Chunked, 0)
	for i := range len(wire) {
		if n := b.Remaining(); n != 0 {
			t.Fatalf("after %q %d bytes of payload follow, want none yet", wire[:i], n)
		}
		if _, err := b.Follow([]byte{wire[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Remaining(); n != 0x1400000 {
		t.Fatalf("after %q %d bytes of payload follow", wire, n)
	}
	b.Advance(0x1400000)
	if n := b.Remaining(); n != 0 {
		t.Fatalf("after the payload %d bytes of it follow", n)
	}
}
