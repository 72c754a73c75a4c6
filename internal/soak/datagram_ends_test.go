package soak_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// hearDatagrams is what endpoints do: they answer every question as it asks for.
func (s *soak) hearDatagrams(e *endpoint, c *net.UDPConn) {
	var late sync.WaitGroup
	defer late.Wait()
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n == 0 {
			continue // of an answer that nobody took; or there was nothing to answer
		}
		q, err := readDatagram(b[:n])
		if err != nil || q.answer {
			s.wrong("endpoint: %v: %v", q, err)
			continue
		}
		answer := func() {
			for i := range q.answers {
				a := q
				a.answer, a.answers = true, i
				c.WriteToUDPAddrPort(a.bytes(), from)
			}
		}
		if wait := time.Duration(q.late)*time.Millisecond + time.Duration(e.lag.Load()); wait > 0 {
			late.Go(func() {
				time.Sleep(wait)
				answer()
			})
		} else {
			answer()
		}
	}
}

// A datagramClient asks from one socket after the other.
type datagramClient struct {
	*client
	sockets int
}

func (c *datagramClient) run() {
	for !c.stop.Load() {
		c.visit(oneOf(c.r, "steady", "steady", "wild"))
	}
}

// A visit is all that is asked from one socket.
func (c *datagramClient) visit(service string) {
	addr := c.proxy.ListenAddr(service)
	if addr == nil {
		return
	}
	conn, err := net.DialUDP("udp", c.from(), addr.(*net.UDPAddr))
	if err != nil {
		c.wrong("client: %v", err)
		return
	}
	defer conn.Close()
	v := &datagramVisit{datagramClient: c, service: service, conn: conn, open: map[uint64]*asked{}}
	for range 1 + c.r.IntN(6) {
		for range 1 + c.r.IntN(8) {
			v.ask()
		}
		if c.r.IntN(8) == 0 {
			return // and the answers come to nobody
		}
		v.listen()
	}
}

// from is an address that no other socket of the run had lately: what comes late
// for one must not be for another by the system's doing.
func (c *datagramClient) from() *net.UDPAddr {
	if runtime.GOOS != "linux" {
		return nil // there only 127.0.0.1 is this machine
	}
	c.sockets++
	return &net.UDPAddr{IP: net.IPv4(127, byte(100+c.number), byte(c.sockets>>8), byte(c.sockets))}
}

type datagramVisit struct {
	*datagramClient
	service string
	conn    *net.UDPConn
	open    map[uint64]*asked
	missing int // answers, of those that come at once
}

// An asked question has some of its answers.
type asked struct {
	datagram
	have [4]bool
}

func (v *datagramVisit) ask() {
	if v.r.IntN(50) == 0 {
		v.conn.Write(nil)
		v.count("empty datagrams", "sent")
		return
	}
	v.last++
	q := newDatagram(v.r, v.number<<32|v.last)
	v.open[q.id] = &asked{datagram: q}
	if q.late == 0 {
		v.missing += int(q.answers)
	}
	if _, err := v.conn.Write(q.bytes()); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		v.wrong("client: %v", err)
	}
}

// listen takes answers until all are here that come at once, or have been lost.
func (v *datagramVisit) listen() {
	owed := v.missing
	b := make([]byte, 1<<16)
	for v.missing > 0 {
		v.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := v.conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			continue // ECONNREFUSED, for what was sent while there was no listener
		}
		if err := v.take(b[:n]); err != nil {
			v.wrong("client: %v, to %v", err, v.conn.LocalAddr())
		}
	}
	for range owed - v.missing {
		v.count(v.service+" answers", "came")
	}
	for range v.missing {
		v.count(v.service+" answers", "lost")
	}
	v.missing = 0
}

// take says what is wrong with an answer.
func (v *datagramVisit) take(b []byte) error {
	a, err := readDatagram(b)
	if err != nil {
		return fmt.Errorf("%v: %w", a, err)
	}
	q := v.open[a.id]
	switch {
	case !a.answer:
		return fmt.Errorf("a question came back: %v", a)
	case q == nil:
		return fmt.Errorf("the answer of another: %v", a)
	case a.answers >= q.answers || a.size != q.size:
		return fmt.Errorf("an answer that nobody gave: %v to %v", a, q.datagram)
	case q.have[a.answers]:
		return fmt.Errorf("an answer came twice: %v", a)
	}
	q.have[a.answers] = true
	if q.late == 0 {
		v.missing--
	} else {
		v.count(v.service+" answers", "came late")
	}
	return nil
}
