package soak_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"time"
)

// A duplex is a connection whose two directions end by themselves.
type duplex interface {
	io.ReadWriter
	CloseWrite() error
}

// serveStream is what endpoints of streams do: read what is planned, and do it.
func (s *soak) serveStream(c *endpointConn) { s.serveDuplex(c, c, bufio.NewReader(c)) }

// serveTLS is serveStream behind TLS.
func (s *soak) serveTLS(config *tls.Config) func(*endpointConn) {
	return func(c *endpointConn) {
		t := tls.Server(c, config)
		if err := t.Handshake(); err != nil {
			if !isCut(err) {
				s.wrong("endpoint: handshake: %v", err)
			}
			return
		}
		s.serveDuplex(c, t, bufio.NewReader(t))
	}
}

func (s *soak) serveDuplex(c *endpointConn, d duplex, in *bufio.Reader) {
	told, err := readProxyHeader(in)
	if err != nil {
		s.brokenOff(err, "a PROXY header")
		return
	}
	line, err := in.ReadString('\n')
	if err != nil {
		if line != "" || !isCut(err) && err != io.EOF {
			s.brokenOff(err, line)
		}
		return
	}
	p, err := readStreamPlan(line)
	if err != nil {
		s.wrong("endpoint: %v", err)
		return
	}
	if told != "" {
		s.count("endpoints told", "who the client is")
		if told != p.from {
			s.wrong("endpoint: was told of %s, but the client is %s: %v", told, p.from, p)
		}
	}
	c.at.wait()
	r := p.rand(2)
	v := &streamVisit{
		soak: s, streamPlan: p, c: c, d: d, r: r,
		in:  slowReader{in, randomPace(rand.New(rand.NewPCG(r.Uint64(), 0)))},
		out: bufio.NewWriterSize(slowWriter{d, randomPace(r)}, 1<<(4+r.IntN(13))),
	}
	v.serve()
}

// brokenOff is for what comes before an endpoint knows its plan. Clients may leave
// anywhere.
func (s *soak) brokenOff(err error, what string) {
	if !isCut(err) {
		s.wrong("endpoint: %v, in %.200q", err, what)
	}
}

// A streamVisit is a connection at its endpoint.
type streamVisit struct {
	*soak
	*streamPlan
	c   *endpointConn
	d   duplex
	in  io.Reader
	out *bufio.Writer
	r   *rand.Rand
}

func (v *streamVisit) serve() {
	if v.end == endpointReset {
		v.breakOff()
		return
	}
	switch v.order {
	case upFirst:
		if n, err := v.hear(nil); v.judgeHeard(n, err, nil) {
			v.say()
		}
	case downFirst:
		said := v.say()
		n, err := v.hear(nil)
		v.judgeHeard(n, err, said)
	case together:
		saying := startSending(v.say)
		n, err := v.hear(nil)
		<-saying.done
		v.judgeHeard(n, err, saying.failed)
	case echoed:
		n, err := v.hear(v.out)
		said := v.out.Flush()
		if v.judgeHeard(n, err, said) && said == nil {
			v.d.CloseWrite()
		}
	case silent:
		n, err := v.hear(nil)
		v.judgeHeard(n, err, nil)
	}
}

// breakOff resets the connection after a part of the text.
func (v *streamVisit) breakOff() {
	body, _ := v.answer()
	body.write(v.out, 0, v.at)
	v.out.Flush()
	time.Sleep(time.Duration(v.r.IntN(10)) * time.Millisecond)
	v.c.SetLinger(0)
}

// say says everything and ends that.
func (v *streamVisit) say() error {
	responseText(v.id).write(v.out, 0, v.down)
	if err := v.out.Flush(); err != nil {
		return err
	}
	return v.d.CloseWrite()
}

// hear compares what the client says to its end, and says it again to also.
func (v *streamVisit) hear(also io.Writer) (n int, err error) {
	r := v.in
	if also != nil {
		r = io.TeeReader(r, also)
	}
	return requestText(v.id).check(r, v.up)
}

// judgeHeard says whether the client may have been heard so, and reports whether
// that was all. said is the error of saying: of a reset the system tells only
// once, and if that was the sender then the receiver sees an end.
func (v *streamVisit) judgeHeard(n int, err, said error) (whole bool) {
	whole = n == v.up && err == nil
	switch {
	case err != nil && !isCut(err):
		v.wrong("endpoint: %v after %d of %d bytes: %v", err, n, v.up, v.streamPlan)
	case v.must() && !whole:
		v.wrong("endpoint: %d of %d bytes and then %v: %v", n, v.up, err, v.streamPlan)
	case v.end == clientResets && v.service != "wild" && n < v.up && err == nil && said == nil:
		v.wrong("endpoint: the client's reset after %d bytes looks like an end in order: %v", n, v.streamPlan)
	}
	return whole
}
