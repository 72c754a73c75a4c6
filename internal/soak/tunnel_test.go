package soak_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
)

// A tunnelClient is a client whose connection carries bytes both ways: it has
// changed the protocol, or never spoke HTTP.
type tunnelClient struct {
	soak *soak
	plan *plan
	conn *net.TCPConn
	in   *bufio.Reader
	r    *rand.Rand // the sender's
	// answered is closed once the tunnel is there, or will not be.
	answered chan struct{}
}

// upgrade asks for another protocol, and then speaks it.
func (c *client) upgrade() {
	p := c.plan()
	p.method, p.minor, p.upload, p.expect = "GET", 1, none, false
	p.service = oneOf(c.r, "steady", "wild")
	p.fate = oneOf(c.r, echo, halfClose)
	p.up, p.whole = randomSize(c.r), c.r.IntN(3) > 0
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: soak\r\n%sConnection: Upgrade\r\nUpgrade: soak\r\n\r\n", p.target(), p.header())
	c.tunnel("web", p, head)
}

// stream uses a TCP listener.
func (c *client) stream() {
	p := c.plan()
	p.service, p.fate = "echo", echo
	p.up, p.whole = randomSize(c.r), c.r.IntN(3) > 0
	c.tunnel("tcp", p, "")
}

// tunnel opens a connection and says everything: the client writes its text
// while it reads the endpoint's.
func (c *client) tunnel(listener string, p *plan, head string) {
	conn := c.dial(listener)
	if conn == nil {
		return
	}
	defer conn.Close()
	t := &tunnelClient{soak: c.soak, plan: p, conn: conn, in: c.reader(conn), r: p.rand(1), answered: make(chan struct{})}
	sending := startSending(func() error { return t.send(head) })
	outcome, err := t.receive(head != "")
	t.judge(outcome, err)
	if !sending.ended() {
		c.stuck("client: no end of what goes into the tunnel of %v", p)
		conn.Close()
		<-sending.done
	}
}

// send writes the head, at once or soon after it the text, and then either ends
// its direction or leaves.
func (t *tunnelClient) send(head string) error {
	if head == "" {
		close(t.answered) // by being there
	}
	out := bufio.NewWriterSize(slowWriter{t.conn, randomPace(t.r)}, 1<<(4+t.r.IntN(13)))
	io.WriteString(out, head)
	if t.r.IntN(2) == 0 {
		out.Flush()
	}
	size := t.plan.up
	if !t.plan.whole {
		size = t.r.IntN(size + 1)
	}
	requestText(t.plan.id).write(out, 0, size)
	err := out.Flush()
	switch {
	case err != nil:
		return err
	case t.plan.whole:
		<-t.answered // who ends his direction before is taken for gone, if the endpoint is slow (RFC 9112 §9.5)
		return t.conn.CloseWrite()
	case t.r.IntN(2) == 0:
		t.conn.SetLinger(0)
	}
	return t.conn.Close()
}

// receive reads until the endpoint's direction ends.
func (t *tunnelClient) receive(upgraded bool) (outcome string, err error) {
	if upgraded {
		resp, err := readResponse(t.in, "GET")
		close(t.answered)
		switch {
		case err != nil:
			return noAnswer, err
		case resp.StatusCode != 101:
			return resp.Status, nil
		case !t.plan.isMine(resp.Header):
			return "wrong", fmt.Errorf("the tunnel of another: %v", resp.Header)
		}
	}
	body, size := requestText(t.plan.id), t.plan.up
	if t.plan.fate == halfClose {
		body, size = responseText(t.plan.id), t.plan.size
	}
	n, err := body.check(t.in, size)
	if err == nil && n == size {
		return asPlanned, nil
	}
	return wasCut, err
}

// judge counts a tunnel and says whether it may have ended so.
func (t *tunnelClient) judge(outcome string, err error) {
	p := t.plan
	kind := p.service + " tunnel"
	if !p.whole {
		kind = "left tunnel"
	}
	t.soak.count(kind, outcome)
	must := p.whole && (p.must() || p.service == "echo")
	if must {
		t.soak.countOwed(outcome == asPlanned)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.soak.stuck("client: no end of the tunnel of %v", p)
	case err != nil && !isCut(err):
		t.soak.wrong("client: %v, in the tunnel of %v", err, p)
	case must && outcome != asPlanned:
		t.soak.wrong("client: the tunnel is %s (%v): %v", outcome, err, p)
	}
}
