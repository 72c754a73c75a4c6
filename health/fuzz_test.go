package health

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
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
		weight, whole := h.judge(bytes.NewReader(answer))
		again, pieces := h.judge(iotest.OneByteReader(bytes.NewReader(answer)))
		if (whole == nil) != (pieces == nil) {
			t.Errorf("in one piece: %v; byte by byte: %v", whole, pieces)
		}
		if weight != again {
			t.Errorf("in one piece it reports %+v, byte by byte %+v", weight, again)
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

// FuzzParseWeight holds weights to their range, and what is taken as a number to being one.
func FuzzParseWeight(f *testing.F) {
	for _, s := range []string{"0", "1", "1000", "1001", "007", "1.5", "0.001", ".5", "5.", "1e3", "1E+2", "1e-3", "1e39", "3.4e38",
		"", "-1", "+1", "-0", "NaN", "Inf", "0x10", "1_000", "1,2", "1 2", "e", ".", "1e", "٣", strings.Repeat("9", 5000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := ParseWeight([]string{s})
		number, err := strconv.ParseFloat(s, 32)
		valid := err == nil && s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) &&
			s[0] != '+' && s[0] != '-'
		if valid != (w.State == WeightValid) || !valid && w.State != WeightInvalid {
			t.Fatalf("%q: %+v, want valid %v", s, w, valid)
		}
		if len(w.Text) > 40 || w.Value > MaxWeight || !valid && w.Value != 0 {
			t.Errorf("%q: %+v", s, w)
		}
		if valid && (w.Value == 0) != (number == 0) {
			t.Errorf("%q is %v and became %d", s, number, w.Value)
		}
		if two := ParseWeight([]string{s, s}); two.State != WeightInvalid {
			t.Errorf("two of %q: %+v", s, two)
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

// FuzzHealthReply holds the reading of a HealthCheckResponse to not accept what grpc-go's own reading refuses, and to
// read the same status.
func FuzzHealthReply(f *testing.F) {
	for _, s := range []string{"", "\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x02\x08\x01", "\x00\x00\x00\x00\x02\x08\x02", "\x01\x00\x00\x00\x02\x08\x01",
		"\x00\x00\x00\x00\x06\x12\x02hi\x08\x01", "\x00\xff\xff\xff\xff", "\x00\x00\x00\x00\x04\x08\x01\x08\x02", "\x00\x00\x00\x00\x01\x0b",
		"\x00\x00\x00\x00\x06\x80\xff\xff\xff\x30\x30"} { // a field number that is too high
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		status, err := parseHealthReply(reply)
		if err != nil {
			return
		}
		var want healthpb.HealthCheckResponse
		if err := proto.Unmarshal(reply[5:], &want); err != nil {
			t.Fatalf("%x is %d, but: %v", reply, status, err)
		}
		if int32(status) != int32(want.GetStatus()) {
			t.Errorf("%x is %d, want %d", reply, status, want.GetStatus())
		}
	})
}
