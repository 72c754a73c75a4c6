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
	if err == nil || errors.As(err, new(verdict)) {
		return err
	}
	// fasthttp passes on few errors of the connection as they are. wire knows better.
	switch {
	case wire.err != nil:
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
	resp := fasthttp.Response{StreamBody: true}
	if err := resp.ReadLimitBody(bufio.NewReaderSize(wire, headLimit), 0); err != nil { // skips 1xx
		return err
	}
	if status := resp.StatusCode(); status != fasthttp.StatusOK {
		return verdict(fmt.Sprintf("status %d, want 200", status))
	}
	// The stream is dropped, not closed: closing would read the rest of an endless body.
	body := resp.BodyStream()
	window := make([]byte, matchWindow)
	n, err := io.ReadFull(body, window)
	whole := err == io.EOF || err == io.ErrUnexpectedEOF && !wire.cut(&resp.Header)
	if err != nil && !whole {
		return err
	}
	if !bytes.Contains(window[:n], []byte(h.c.Response)) {
		return verdict(fmt.Sprintf("body does not contain %q", h.c.Response))
	}
	if whole {
		return nil
	}
	read, err := io.CopyN(io.Discard, body, bodyLimit-matchWindow)
	_ = read
	if err == io.EOF {
		err = nil
	}
	return err
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
		w.begin = append(w.begin, p[:min(n, 64)]...)
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

func (w *wireReader) cut(h *fasthttp.ResponseHeader) bool {
	return w.err != nil && h.ContentLength() != -2
}
