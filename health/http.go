package health

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
)

const (
	headLimit   = 16 << 10 // of a response's head
	matchWindow = 1024     // of the body, in which Response must be found
	bodyLimit   = 64 << 10 // of the body; what comes after is neither read nor waited for
)

// httpChecker is the check of type HTTP (spec.md §8.2): a GET on a connection of its own that must be answered in
// full, in time, with status 200 and no other, redirects included.
//
// It converses over the connection itself and has net/http parse the answer. A client, net/http's or fasthttp's,
// would pool connections, so that a check could pass on one that no new client would get. And fasthttp's parser is
// too kind for a judge: it reads "HTTP/1.1 000" as 200, and takes a chunked body that was cut before its last line
// for a whole one.
type httpChecker struct{ c Check }

func (h *httpChecker) Check(ctx context.Context, addr string) Result {
	var weight Weight
	r := attempt(ctx, h.c, addr, func(conn net.Conn, target string) (err error) {
		weight, err = h.converse(conn, target)
		return err
	})
	r.Weight = weight
	return r
}

func (h *httpChecker) converse(conn net.Conn, target string) (Weight, error) {
	if _, err := conn.Write(h.request(target)); err != nil {
		return Weight{}, err
	}
	return h.judge(conn)
}

// userAgent is how checks introduce themselves.
const userAgent = "spillway-health-check"

func (h *httpChecker) request(target string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		h.c.RequestPath, h.c.authority(target), userAgent)
}

// verdict is a failure that the endpoint's answer itself is the reason for.
type verdict string

func (v verdict) Error() string { return string(v) }

// judge reads the answer and says what is wrong with it, or with the connection. A
// whole answer reports a weight, be it one that the check fails for.
func (h *httpChecker) judge(conn io.Reader) (Weight, error) {
	wire := &wireReader{conn: conn, left: headLimit}
	weight, err := h.readResponse(wire)
	switch {
	case err == nil || errors.As(err, new(verdict)):
		return weight, err
	case wire.left == 0:
		return Weight{}, verdict(fmt.Sprintf("response head is longer than %d bytes", headLimit))
	case wire.err != nil: // net/http does not always pass on the connection's error; wire has it
		return Weight{}, wire.err
	default:
		return Weight{}, verdict("malformed response, begins " + quote(wire.begin))
	}
}

func (h *httpChecker) readResponse(wire *wireReader) (Weight, error) {
	r := bufio.NewReader(wire)
	begin, err := r.Peek(5)
	if !strings.HasPrefix("HTTP/", string(begin)) {
		return Weight{}, verdict("not HTTP, begins " + quote(wire.begin)) // at once: such a peer may be waiting for us
	}
	if err != nil {
		return Weight{}, err
	}
	resp, err := readHead(r)
	if err != nil {
		return Weight{}, err
	}
	if resp.StatusCode == http.StatusOK {
		wire.left = math.MaxInt
	}
	return h.c.judgeResponse(resp)
}

// judgeResponse looks at the status and the body of a response to a GET. The body is dropped, not closed: closing it
// would read more of an endless one.
func (c Check) judgeResponse(resp *http.Response) (Weight, error) {
	weight := weightOf(resp)
	if resp.StatusCode != http.StatusOK {
		return weight, verdict(fmt.Sprintf("status %d, want 200", resp.StatusCode))
	}
	window, err := io.ReadAll(io.LimitReader(resp.Body, matchWindow))
	if err != nil {
		return weight, err
	}
	if !bytes.Contains(window, []byte(c.Response)) {
		return weight, verdict(fmt.Sprintf("body does not contain %q", c.Response))
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, bodyLimit-matchWindow))
	return weight, err
}

// readHead reads to the final response, past interim ones (RFC 9110 §15.2); all of them share one limit.
func readHead(r *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// wireReader reads no more than it may, and remembers what the parser does not say: how the answer began, and what
// ended the reading.
type wireReader struct {
	conn  io.Reader
	left  int
	begin []byte
	err   error
}

func (w *wireReader) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	if w.begin == nil {
		w.begin = bytes.Clone(p[:n])
	}
	if w.err == nil { // the first: what follows a reset reads as a quiet end
		w.err = err
	}
	return n, err
}
