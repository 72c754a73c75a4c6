package soak_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// serveHTTP is what HTTP endpoints do: they check every request, and answer as
// it asks for.
func (s *soak) serveHTTP(c *endpointConn) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		switch {
		case err == nil:
		case isCut(err):
			return
		default:
			s.wrong("endpoint: what came is no request: %v", err)
			return
		}
		if strings.HasPrefix(req.URL.Path, "/healthz") {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		p, err := readPlan(req.URL)
		if err != nil {
			s.wrong("endpoint: a request that nobody planned: %s %s: %v", req.Method, req.URL, err)
			return
		}
		c.at.wait()
		if !(&visit{soak: s, plan: p, c: c, in: in, req: req, r: p.rand(2)}).serve() {
			return
		}
	}
}

// isCut reports whether err says that a peer has left.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "unexpected EOF") || // net/http has one of its own for trailers
		strings.Contains(err.Error(), "suspiciously long trailer") // and one more, for an end inside of them
}

// A visit is one exchange at its endpoint.
type visit struct {
	*soak
	*plan
	c   *endpointConn
	in  *bufio.Reader
	req *http.Request
	r   *rand.Rand
	out *bufio.Writer
}

// serve reports whether the connection can carry another.
func (v *visit) serve() (keep bool) {
	v.checkHead()
	v.out = bufio.NewWriterSize(slowWriter{v.c, randomPace(v.r)}, 1<<(4+v.r.IntN(13)))
	switch v.fate {
	case echo, halfClose:
		v.tunnel()
		return false
	case death:
		return false
	case early:
		return v.answerEarly()
	case refused:
		v.head(length, "Connection: close\r\n") // what was announced will not be sent
		v.body(length, v.size)
		v.out.Flush()
		return false
	case unread:
		v.response(length)
		v.out.Flush()
	}
	if v.expect {
		v.interim("100 Continue")
	}
	if !v.readBody() {
		return false
	}
	if v.fate == unread {
		return true
	}
	if v.fate == late {
		time.Sleep(time.Duration(v.r.IntN(400)) * time.Millisecond)
	}
	for range v.hints {
		v.interim("103 Early Hints")
	}
	return v.answer()
}

// checkHead looks at what the proxy forwards.
func (v *visit) checkHead() {
	if v.req.Method != v.method || !v.isMine(v.req.Header) {
		v.wrong("endpoint: %s %v has the target %s", v.req.Method, v.req.Header, v.req.URL)
	}
	if from := v.req.Header.Get("X-Forwarded-For"); from != "127.0.0.1" {
		v.wrong("endpoint: X-Forwarded-For is %q in %v", from, v.plan)
	}
	if v.method == "POST" && v.posts.twice(v.id) {
		v.wrong("endpoint: sent twice: %v", v.plan)
	}
}

// readBody compares the request's body and reports whether it is whole.
func (v *visit) readBody() bool {
	n, err := requestText(v.id).check(v.req.Body, v.up)
	switch {
	case err == nil && n == v.up:
		return true
	case err != nil && isCut(err):
		v.count("uploads", "cut")
		return false
	}
	v.wrong("endpoint: %d of %d bytes, and then %v: %v", n, v.up, err, v.plan)
	return false
}

func (v *visit) interim(line string) {
	fmt.Fprintf(v.out, "HTTP/1.1 %s\r\n%s\r\n", line, v.header())
	v.out.Flush()
}

// head begins a response with a body in this framing.
func (v *visit) head(framing string, more string) {
	fmt.Fprintf(v.out, "HTTP/1.1 %d Planned\r\n%s%s", v.status, v.header(), more)
	switch framing {
	case length:
		fmt.Fprintf(v.out, "Content-Length: %d\r\n", v.size)
	case chunked:
		io.WriteString(v.out, "Trailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n")
	}
	io.WriteString(v.out, "\r\n")
}

// response is a whole one.
func (v *visit) response(framing string) {
	v.head(framing, "")
	v.body(framing, v.size)
}

// body writes so much of the body, and if that is all its end.
func (v *visit) body(framing string, n int) {
	t := responseText(v.id)
	switch {
	case v.method == "HEAD":
	case framing == chunked:
		writeChunks(v.out, v.r, t, n)
		if n == v.size {
			fmt.Fprintf(v.out, "0\r\nX-Trailer: %016x\r\n\r\n", v.id)
		}
	default:
		t.write(v.out, 0, n)
	}
}

// writeChunks writes n bytes of a body as chunks of every size.
func writeChunks(w io.Writer, r *rand.Rand, t text, n int) {
	for from := 0; from < n; {
		to := min(n, from+1+r.IntN(1<<(1+r.IntN(20))))
		extension := ""
		if r.IntN(8) == 0 {
			extension = ";of=soak"
		}
		fmt.Fprintf(w, "%x%s\r\n", to-from, extension)
		t.write(w, from, to)
		io.WriteString(w, "\r\n")
		from = to
	}
}

// answer sends the planned response, or fails as planned.
func (v *visit) answer() (keep bool) {
	switch v.fate {
	case garbage:
		io.WriteString(v.c, oneOf(v.r, garbageResponses...))
		return false
	case cut, reset:
		v.answerInPart()
		return false
	case surplus:
		// In one write, so that it is there when the response ends.
		v.out = bufio.NewWriterSize(v.c, 1<<16)
		v.response(v.reply)
		io.WriteString(v.out, "HTTP/1.1 200 OK\r\nX-Id: surplus\r\nContent-Length: 7\r\n\r\nsurplus")
		v.out.Flush()
		return v.r.IntN(2) == 0
	}
	if v.reply == untilClose && v.method != "HEAD" {
		v.c.endsWithClose(true)
		v.response(untilClose)
		if v.out.Flush() == nil {
			v.c.endsWithClose(false)
		}
		return false
	}
	v.response(v.reply)
	v.out.Flush()
	return v.fate != hangup
}

// answerInPart ends somewhere before the body's end.
func (v *visit) answerInPart() {
	v.c.endsWithClose(v.reply == untilClose)
	v.head(v.reply, "")
	v.body(v.reply, v.r.IntN(v.size))
	v.out.Flush()
	if v.fate == reset {
		time.Sleep(time.Duration(v.r.IntN(10)) * time.Millisecond)
		v.c.SetLinger(0)
	}
}

// answerEarly does not read the request's body.
func (v *visit) answerEarly() (keep bool) {
	v.head(length, "Connection: close\r\n")
	v.body(length, v.size)
	v.out.Flush()
	if v.r.IntN(2) == 0 {
		v.c.CloseWrite()
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

var garbageResponses = []string{
	"nonsense\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX-Id: garbage\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
	"HTTP/1.1 200 OK\nX-Id: garbage\nContent-Length: 2\n\nok",
	"HTTP/1.1 200 OK\r\nX-Id: garbage\r\nTransfer-Encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX-Id : garbage\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 101 Switching Protocols\r\nX-Id: garbage\r\nConnection: upgrade\r\nUpgrade: nobody-asked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX-Id: garbage\r\nX-Big: " + strings.Repeat("x", 70<<10) + "\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nX-Id: garb",
	"\x15\x03\x01\x00\x02\x02\x16",
	"",
}

// tunnel speaks the protocol after an upgrade.
func (v *visit) tunnel() {
	io.WriteString(v.c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: soak\r\n"+v.header()+"\r\n")
	have := &reading{text: requestText(v.id)}
	var err error
	if v.fate == echo {
		_, err = io.Copy(v.out, io.TeeReader(v.in, have))
		v.out.Flush()
		v.c.CloseWrite()
	} else {
		responseText(v.id).write(v.out, 0, v.size)
		v.out.Flush()
		v.c.CloseWrite()
		_, err = io.Copy(have, v.in)
	}
	switch {
	case err != nil && !isCut(err) && !errors.Is(err, os.ErrDeadlineExceeded):
		v.wrong("endpoint: tunnel: %v: %v", err, v.plan)
	case v.must() && v.whole && (have.pos != v.up || err != nil):
		v.wrong("endpoint: %d of %d bytes came through the tunnel, and then %v: %v", have.pos, v.up, err, v.plan)
	}
}
