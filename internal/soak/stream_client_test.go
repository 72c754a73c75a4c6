package soak_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A streamClient opens one connection after the other and says on each what it
// has planned.
type streamClient struct {
	*client
	tls     *tls.Config
	tickets tls.ClientSessionCache
}

func (c *streamClient) run() {
	for !c.stop.Load() {
		switch n := c.r.IntN(40); {
		case n < 10:
			c.connect("steady")
		case n < 16:
			c.inside()
		case n < 18:
			c.behind()
		case n < 26:
			c.connect("wild")
		case n < 28:
			c.connect("idle")
		case n < 36:
			c.byName()
		case n < 39:
			c.knock()
		default:
			c.drop()
		}
	}
}

func (c *streamClient) plan(service string) *streamPlan {
	c.last++
	return newStreamPlan(c.seed, c.number<<32|c.last, service)
}

// connect uses the listener of a service.
func (c *streamClient) connect(service string) {
	p := c.plan(service)
	p.way = "TCP"
	if conn := c.dial(service); conn != nil {
		defer conn.Close()
		p.from = conn.LocalAddr().String()
		c.use(conn, conn, p)
	}
}

// behind is another proxy, which says for whom it connects.
func (c *streamClient) behind() {
	p := c.plan("steady")
	p.way = "PROXY"
	conn := c.dial("behind")
	if conn == nil {
		return
	}
	defer conn.Close()
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(c.number)}), uint16(c.r.IntN(65536)))
	p.from = client.String()
	out := slowWriter{conn, randomPace(c.r)}
	if c.r.IntN(2) == 0 {
		fmt.Fprintf(out, "PROXY TCP4 %s 192.0.2.255 %d 443\r\n", client.Addr(), client.Port())
	} else {
		out.Write(proxyV2(client, randomSize(c.r)%500))
	}
	c.use(conn, conn, p)
}

// inside speaks TLS with the proxy. By the name it is led to a service, or by none.
func (c *streamClient) inside() {
	service := oneOf(c.r, "steady", "steady", "wild", "idle")
	p := c.plan(service)
	p.way = "TLS"
	conn := c.dial("secure")
	if conn == nil {
		return
	}
	defer conn.Close()
	p.from = conn.LocalAddr().String()
	config := c.tls.Clone()
	config.ServerName = service + ".example"
	if c.r.IntN(2) == 0 {
		config.MaxVersion = tls.VersionTLS12
	}
	if c.r.IntN(2) == 0 {
		config.ClientSessionCache = c.tickets
	}
	t := tls.Client(slowStart{conn, rand.New(rand.NewPCG(c.r.Uint64(), 0))}, config)
	if err := t.Handshake(); err != nil {
		c.wrong("client: handshake: %v: %v", err, p)
		return
	}
	if t.ConnectionState().DidResume {
		c.count("TLS", "sessions resumed")
	} else {
		c.count("TLS", "full handshakes")
	}
	c.use(conn, t, p)
}

// byName goes by the name in the ClientHello, and speaks TLS with the endpoint.
func (c *streamClient) byName() {
	service := oneOf(c.r, "named", "named", "steady")
	p := c.plan(service)
	conn := c.dial("names")
	if conn == nil {
		return
	}
	defer conn.Close()
	p.from = conn.LocalAddr().String()
	if service == "steady" { // where no route leads
		p.way = "no name"
		c.use(conn, conn, p)
		return
	}
	p.way = "SNI"
	config := c.tls.Clone()
	config.ServerName = oneOf(c.r, "soak.example", "A.wild.example")
	if c.r.IntN(4) == 0 {
		config.CurvePreferences = []tls.CurveID{tls.X25519} // a smaller hello
	}
	t := tls.Client(slowStart{conn, rand.New(rand.NewPCG(c.r.Uint64(), 0))}, config)
	if err := t.Handshake(); err != nil {
		c.wrong("client: handshake: %v: %v", err, p)
		return
	}
	c.use(conn, t, p)
}

// A slowStart writes small writes, of which a ClientHello is one, in pieces. Its
// r is its own: who writes is not always the client's goroutine.
type slowStart struct {
	*net.TCPConn
	r *rand.Rand
}

func (s slowStart) Write(b []byte) (int, error) {
	if len(b) < 4096 && s.r.IntN(2) == 0 {
		return slowWriter{s.TCPConn, &pace{r: s.r, piece: 500, pauses: 4}}.Write(b)
	}
	return s.TCPConn.Write(b)
}

// knock says nothing, or not enough, and leaves.
func (c *streamClient) knock() {
	conn := c.dial(oneOf(c.r, "steady", "names"))
	if conn == nil {
		return
	}
	io.WriteString(conn, oneOf(c.r, "", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
	if c.r.IntN(2) == 0 {
		conn.SetLinger(0)
	}
	conn.Close()
	c.count("knocks", "done")
}

// drop begins a ClientHello and never ends it.
func (c *streamClient) drop() {
	conn := c.dial("names")
	if conn == nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stuck("client: half a hello is waited for without an end")
	}
	c.count("half a hello", "turned away")
}

// use says and hears everything on a connection: d, which is conn or speaks TLS
// over it.
func (c *streamClient) use(conn *net.TCPConn, d duplex, p *streamPlan) {
	conn.SetDeadline(time.Now().Add(patience))
	heard := make(chan struct{})
	sending := startSending(func() error { return p.say(conn, d, heard) })
	n, err := c.hear(d, p)
	close(heard)
	if !sending.ended() {
		c.stuck("client: no end of what is said by %v", p)
		conn.Close()
		<-sending.done
	}
	c.judgeStream(p, n, err, sending.failed)
}

// say sends the plan and the text, and ends as planned.
func (p *streamPlan) say(conn *net.TCPConn, d duplex, heard <-chan struct{}) error {
	r := p.rand(1)
	out := bufio.NewWriterSize(slowWriter{d, randomPace(r)}, 1<<(4+r.IntN(13)))
	io.WriteString(out, p.line())
	if p.order == downFirst || p.order == silent || r.IntN(2) == 0 {
		out.Flush()
	}
	if p.order == silent || p.order == downFirst && p.end == inOrder {
		<-heard
	}
	size := p.up
	if p.end == clientLeaves || p.end == clientResets {
		size = p.at
	}
	body, half := requestText(p.id), r.IntN(size+1)
	body.write(out, 0, half)
	if p.nap > 0 {
		out.Flush()
		time.Sleep(time.Duration(p.nap) * time.Millisecond)
	}
	body.write(out, half, size)
	err := out.Flush()
	switch {
	case err != nil:
		return err
	case p.end == clientResets:
		conn.SetLinger(0)
		return conn.Close()
	case p.end == clientLeaves:
		return conn.Close()
	case p.order == silent:
		return nil
	}
	return d.CloseWrite()
}

// hear compares what the endpoint says to its end.
func (c *streamClient) hear(d duplex, p *streamPlan) (n int, err error) {
	body, size := p.answer()
	n, err = body.check(c.reader(d), size)
	return n, err
}

// judgeStream counts a connection and says whether it may have gone so. heard and
// said are the errors of hearing and saying.
func (c *streamClient) judgeStream(p *streamPlan, n int, heard, said error) {
	_, size := p.answer()
	whole := n == size && heard == nil
	outcome := "cut"
	switch {
	case whole && p.order == silent:
		outcome = "ended"
	case whole:
		outcome = asPlanned
	case heard == nil:
		outcome = "short"
	case errors.Is(heard, syscall.ECONNRESET):
		outcome = "reset"
	}
	c.count(p.service+" "+p.order+" "+p.end, outcome)
	if p.must() {
		c.countOwed(whole && said == nil)
	}
	var wrong *wrongByte
	switch {
	case errors.Is(heard, os.ErrDeadlineExceeded):
		c.stuck("client: no end after %d of %d bytes of %v", n, size, p)
	case errors.As(heard, &wrong):
		c.wrong("client: %v, in %v", heard, p)
	case heard != nil && !isCut(heard):
		c.wrong("client: %v after %d of %d bytes of %v", heard, n, size, p)
	case p.must() && (!whole || said != nil):
		c.wrong("client: %d of %d bytes and then %v, and saying ended with %v: %v", n, size, heard, said, p)
	case p.end == endpointReset && n > p.at:
		c.wrong("client: %d bytes, but the endpoint has sent %d: %v", n, p.at, p)
	case p.end == endpointReset && p.service != "wild" && heard == nil && said == nil:
		c.wrong("client: the endpoint's reset looks like an end in order after %d bytes: %v", n, p)
	}
}
