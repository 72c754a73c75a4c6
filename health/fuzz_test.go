package health

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// FuzzHTTPVerdict holds the judgement of arbitrary answers to what must be true of any: it does not depend on how
// the network cut the bytes, reads a bounded part of them, and lets nobody pass without a 200.
func FuzzHTTPVerdict(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n0\r\nX: y\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nready"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 000 Nothing\r\n\r\nready"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		const text = "ready"
		h := &httpChecker{Check{Type: TypeHTTP, Response: text}.WithDefaults()}
		whole := h.judge(bytes.NewReader(answer))
		pieces := h.judge(iotest.OneByteReader(bytes.NewReader(answer)))
		if (whole == nil) != (pieces == nil) {
			t.Errorf("in one piece: %v; byte by byte: %v", whole, pieces)
		}
		if whole == nil && !bytes.Contains(answer, []byte(" 200")) {
			t.Error("passed without a 200")
		}
		if whole != nil && reasonOf(whole) == "" {
			t.Error("failed without a reason")
		}
		endless := &countingReader{r: io.MultiReader(bytes.NewReader(answer), zeros{})}
		h.judge(endless)
		if limit := headLimit + len(answer) + 2*bodyLimit; endless.n > limit {
			t.Errorf("read %d bytes of an endless answer, more than %d", endless.n, limit)
		}
	})
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
