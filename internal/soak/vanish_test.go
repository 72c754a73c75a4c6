package soak_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// A leaver has enough when so many bytes were written.
type leaver struct {
	*net.TCPConn
	left int
}

func (l *leaver) Write(p []byte) (int, error) {
	n, err := l.TCPConn.Write(p[:min(len(p), l.left)])
	if l.left -= n; l.left == 0 && err == nil {
		err = io.ErrClosedPipe
	}
	return n, err
}

// vanishAsking leaves somewhere in its request, with a FIN, a reset, or only
// half.
func (c *client) vanishAsking() {
	conn := c.dial("web")
	if conn == nil {
		return
	}
	defer conn.Close()
	p := c.plan()
	p.expect, p.whole = false, false
	p.send(&leaver{conn, 1 + c.r.IntN(600+p.padding+p.up)}, nil)
	time.Sleep(time.Duration(c.r.IntN(5)) * time.Millisecond)
	switch c.r.IntN(3) {
	case 0:
		conn.SetLinger(0)
	case 1:
		conn.CloseWrite()
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			c.stuck("client: it has said its last, and sees no end, of %v", p)
		}
	}
	c.count("sessions", "vanished while asking")
}

// vanishListening leaves somewhere in the response.
func (c *client) vanishListening() {
	conn := c.dial("web")
	if conn == nil {
		return
	}
	p := c.plan()
	p.expect, p.whole = false, false
	sending := startSending(func() error { return p.send(conn, nil) })
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	io.CopyN(io.Discard, conn, int64(c.r.IntN(300+p.size)))
	if c.r.IntN(2) == 0 {
		conn.SetLinger(0)
	}
	conn.Close()
	<-sending.done
	c.count("sessions", "vanished while listening")
}

// guest uses a listener that comes and goes: what it asks may be refused or cut,
// and is answered right or not at all.
func (c *client) guest() {
	conn := c.dial("guest")
	if conn == nil {
		return
	}
	defer conn.Close()
	in := c.reader(conn)
	for range 1 + c.r.IntN(5) {
		p := c.plan()
		p.service, p.fate, p.expect, p.padding = "steady", fine, false, 0
		p.upload, p.up, p.method = none, 0, "GET"
		p.send(conn, nil)
		got := p.receive(in, nil)
		c.count("guest", got.outcome)
		if got.wrong != nil {
			c.wrong("guest: %v, in the response to %v", got.wrong, p)
		}
		if !got.keep {
			return
		}
	}
}

// drip sends half a head and waits: the listener's client_timeout must end it.
func (c *client) drip() {
	conn := c.dial("guest")
	if conn == nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "GET /steady/malformed HTTP/1.1\r\nHost: so")
	got, err := io.ReadAll(conn)
	switch {
	case err != nil && !isCut(err):
		c.stuck("client: half a head, and no end: %v", err)
	case len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 408 "):
		c.wrong("client: half a head was answered with %.100q", got)
	}
	c.count("sessions", "half a head")
}
