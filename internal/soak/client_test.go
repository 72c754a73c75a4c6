package soak_test

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// A client has one connection at a time, and does something else with each.
type client struct {
	*soak
	number uint64
	r      *rand.Rand
	last   uint64 // the id of its latest plan
}

func newClient(s *soak, number int) *client {
	return &client{soak: s, number: uint64(number), r: rand.New(rand.NewPCG(s.seed, uint64(number)))}
}

func (c *client) run() {
	for !c.stop.Load() {
		switch n := c.r.IntN(40); {
		case n < 20:
			c.serial(1 + c.r.IntN(20))
		case n < 26:
			c.pipeline()
		case n < 29:
			c.vanishAsking()
		case n < 32:
			c.vanishListening()
		case n < 34:
			c.upgrade()
		case n < 36:
			c.stream()
		case n < 38:
			c.malformed()
		case n < 39:
			c.guest()
		default:
			c.drip()
		}
	}
}

func (c *client) plan() *plan {
	c.last++
	return newPlan(c.seed, c.number<<32|c.last)
}

// dial connects to a listener; nil is a reason to do something else.
func (c *client) dial(listener string) *net.TCPConn {
	addr := c.proxy.ListenAddr(listener)
	if addr == nil {
		return nil
	}
	conn, err := net.DialTimeout("tcp", addr.String(), patience)
	if err != nil {
		switch {
		case listener == "guest": // it may have gone
		case listener == "wild" && errors.Is(err, syscall.ECONNRESET): // at once, for there is no endpoint
			c.count("wild", "turned away")
		default:
			c.wrong("client: %v", err)
			time.Sleep(50 * time.Millisecond)
		}
		return nil
	}
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// reader is how a client reads, which is another way for each connection.
func (c *client) reader(conn io.Reader) *bufio.Reader {
	own := rand.New(rand.NewPCG(c.r.Uint64(), 0)) // it may be used beside c.r
	size := 1 << (12 + c.r.IntN(5))               // a head fits into any
	return bufio.NewReaderSize(slowReader{conn, randomPace(own)}, size)
}

// serial asks, reads the answer, and asks again.
func (c *client) serial(times int) {
	conn := c.dial("web")
	if conn == nil {
		return
	}
	defer conn.Close()
	in := c.reader(conn)
	history := ""
	for range times {
		p := c.plan()
		p.history = history
		if !c.exchange(conn, in, p) || c.stop.Load() {
			return
		}
		history += p.brief()
	}
}

// exchange reports whether the connection can carry another.
func (c *client) exchange(conn *net.TCPConn, in *bufio.Reader, p *plan) bool {
	conn.SetDeadline(time.Now().Add(patience))
	goOn := make(chan bool, 1)
	sending := startSending(func() error { return p.send(conn, goOn) })
	got := p.receive(in, goOn)
	got.recognizeReset(sending)
	c.judge(p, got)
	if !got.keep {
		conn.Close()
	}
	if !sending.ended() {
		c.stuck("client: no end of the upload of %v", p)
		conn.Close()
		<-sending.done
	}
	return got.keep
}
