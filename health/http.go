package health

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/valyala/fasthttp"
)

const (
	headLimit   = 16 << 10 // of a response's head
	matchWindow = 1024     // of the body, in which Response must be found
	bodyLimit   = 64 << 10 // of the body; what comes after is neither read nor waited for
)

// httpChecker is the check of type HTTP (spec.md §8.2): a GET on a connection of its own that must be answered in
// full, in time, with status 200 and no other, redirects included.
//
// It speaks over the connection itself and has fasthttp parse the answer. fasthttp's client would pool connections
// with a goroutine to clean them, so that a check could pass on a connection that no new client would get; it
// reads bodies whole or refuses them, where a check wants the first 64 KiB; and it has no way to be canceled.
type httpChecker struct{ c Check }

func (h *httpChecker) Check(ctx context.Context, addr string) Result {
	return attempt(ctx, h.c, addr, h.converse)
}

func (h *httpChecker) converse(conn net.Conn, target string) error {
	if _, err := conn.Write(h.request(target)); err != nil {
		return err
	}
	wire := &wireReader{conn: conn}
	err := h.readResponse(wire)
	switch {
	case err == nil || errors.As(err, new(verdict)):
		return err
	case wire.err != nil: // fasthttp passes on few errors of the connection as they are; wire knows better
		return wire.err
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		return verdict(fmt.Sprintf("response head is longer than %d bytes", headLimit))
	default:
		return verdict("malformed response, begins " + quote(wire.begin))
	}
}

func (h *httpChecker) request(target string) []byte {
	host := h.c.Host
	if host == "" {
		host = target
		if strings.Contains(target, "/") { // a Unix socket's path is not a host
			host = "localhost"
		}
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: spillway-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		h.c.RequestPath, host)
}

// verdict is a failure that the endpoint's answer itself is the reason for.
type verdict string

func (v verdict) Error() string { return string(v) }

func (h *httpChecker) readResponse(wire *wireReader) error {
	r := bufio.NewReaderSize(wire, headLimit)
	if begin, _ := r.Peek(5); !strings.HasPrefix("HTTP/", string(begin)) {
		return verdict("not HTTP, begins " + quote(wire.begin)) // at once: such a peer may be waiting for us
	}
	resp := fasthttp.Response{StreamBody: true}
	if err := resp.ReadLimitBody(r, 0); err != nil { // up to the body; skips 1xx
		return err
	}
	if status := resp.StatusCode(); status != fasthttp.StatusOK {
		return verdict(fmt.Sprintf("status %d, want 200", status))
	}
	// The stream is dropped, not closed: closing it would read an endless body to its end.
	body := resp.BodyStream()
	window, err := io.ReadAll(io.LimitReader(body, matchWindow))
	if err != nil {
		return err
	}
	if !bytes.Contains(window, []byte(h.c.Response)) {
		return verdict(fmt.Sprintf("body does not contain %q", h.c.Response))
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(body, bodyLimit-matchWindow))
	if err != nil {
		return err
	}
	// fasthttp takes a chunked body for whole when the connection ends between its last chunk and its last line.
	if whole := rest < bodyLimit-matchWindow; whole && resp.Header.ContentLength() == -1 && wire.err != nil {
		return wire.err
	}
	return nil
}

// wireReader remembers what the parser does not say: how the answer began, and what ended the reading.
type wireReader struct {
	conn  net.Conn
	begin []byte
	err   error
}

func (w *wireReader) Read(p []byte) (int, error) {
	n, err := w.conn.Read(p)
	if w.begin == nil {
		w.begin = bytes.Clone(p[:min(n, 64)])
	}
	if w.err == nil { // the first: what follows a reset reads as a quiet end
		w.err = err
	}
	return n, err
}
