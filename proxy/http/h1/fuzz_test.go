package h1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// The fuzz targets hold the core against net/http and fasthttp: what the core
// accepts, they accept with the same meaning, and so does net/http what the core
// makes of it. Where one is stricter (tried with Go 1.26 and fasthttp 1.74; "taken"
// says that the message is accepted):
//
//	                                 h1       net/http  fasthttp
//	bare LF, folded line             refused  taken     taken
//	space before the colon           refused  taken     refused
//	space in a name                  refused  taken     taken
//	CL and TE                        refused  taken     taken
//	the same CL twice                refused  taken     refused
//	TE in HTTP/1.0                   refused  taken     refused
//	TE: identity                     refused  refused   taken
//	HTTP/1.2, HTTP/2.0               refused  taken     taken
//	1.1 without Host                 refused  taken     refused
//	Host: a@b                        refused  taken     taken
//	absolute target and other Host   refused  taken     taken
//	fragment or UTF-8 in a target    refused  taken     taken
//	unknown expectation              refused  taken     taken
//	Connection: a b                  refused  taken     taken
//	Host, Authorization as trailers  refused  taken     refused
//	status 099                       refused  taken     taken
//	target "/%zz"                    taken    refused   taken
//
// So "%zz" is the one place where the core takes more than net/http: it does not
// decode targets, and hands on what it was given.
func nethttpMayRefuse(err error) bool {
	var u *url.Error
	return errors.As(err, &u)
}

func addSeeds(f *testing.F, heads ...string) {
	for _, h := range heads {
		f.Add([]byte(h))
	}
}

func FuzzRequest(f *testing.F) {
	for _, c := range goodRequests {
		addSeeds(f, c.head, c.head+"5\r\nhello\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n")
	}
	for _, c := range badRequests {
		if len(c.head) < 1000 {
			addSeeds(f, c.head)
		}
	}
	addSeeds(f, smallRequest, browserRequest)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r h1.Request
		n, err := r.Parse(data, h1.Limits{})
		trickled(t, data, n, err, func(b []byte) (int, error) { return new(h1.Request).Parse(b, h1.Limits{}) },
			new(h1.Request))
		if n == 0 {
			return
		}
		head, rest := bytes.TrimPrefix(data[:n], []byte("\r\n")), data[n:]
		body := readBody(r.Framing, r.Length, rest)
		sameAsNetHTTP(t, &r, head, rest, body)
		sameAsFasthttp(t, &r, head)
		if r.Upgrade == nil && body.done {
			forwardsOneMessage(t, &r, rest, body)
		}
		sameAfterForwarding(t, &r)
	})
}

// trickled checks that a head means the same whether it comes at once or byte by
// byte.
func trickled(t *testing.T, data []byte, n int, err error, fresh func([]byte) (int, error), slow interface {
	Parse([]byte, h1.Limits) (int, error)
}) {
	t.Helper()
	for i := 0; i <= len(data); i++ {
		m, e := slow.Parse(data[:i], h1.Limits{})
		switch {
		case m != 0 && m != n, e != nil && err == nil:
			t.Fatalf("after %d bytes: %d, %v; at once %d, %v", i, m, e, n, err)
		case m != 0 || e != nil:
			return
		}
	}
	if n != 0 {
		t.Fatalf("at once %d bytes are a head, byte by byte not", n)
	}
	if _, e := fresh(data); e != err {
		t.Fatalf("the same bytes: %v and %v", e, err)
	}
}

type read struct {
	payload []byte
	size    int
	done    bool
	err     error
}

// readBody follows a body in two ways, which must agree.
func readBody(f h1.Framing, length int64, wire []byte) (r read) {
	var b, whole h1.Body
	b.Reset(f, length)
	whole.Reset(f, length)
	for r.size < len(wire) && r.err == nil && !b.Done() {
		n, data, err := b.Next(wire[r.size:min(r.size+3, len(wire))])
		r.size += n
		r.payload = append(r.payload, data...)
		r.err = err
	}
	r.done = b.EOF() == nil
	n, err := whole.Follow(wire)
	if n != r.size || err != r.err || (whole.EOF() == nil) != r.done {
		panic(fmt.Sprintf("Next: %d %v %v, Follow: %d %v", r.size, r.err, r.done, n, err))
	}
	return r
}

func sameAsNetHTTP(t *testing.T, r *h1.Request, head, rest []byte, body read) {
	t.Helper()
	from := bytes.NewReader(slices.Concat(head, rest))
	br := bufio.NewReaderSize(from, 1<<16)
	q, err := http.ReadRequest(br)
	if err != nil {
		if nethttpMayRefuse(err) {
			return
		}
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	if q.Method != string(r.Method) || q.RequestURI != string(r.Target) || !strings.EqualFold(q.Host, string(r.Authority)) ||
		q.ProtoMinor != int(r.Minor) || q.Close != r.Close && r.Minor == 1 {
		t.Fatalf("net/http reads %s %s %s %s close %v, we %s", q.Method, q.RequestURI, q.Host, q.Proto, q.Close, meaning(r))
	}
	sameFields(t, q.Header, r.Fields, "Host", "Transfer-Encoding", "Trailer", "Connection")
	sameBody(t, q.ContentLength, q.Body, r.Framing, r.Length, body, func() int { return br.Buffered() + from.Len() }, len(rest))
}

func sameBody(t *testing.T, length int64, payload io.Reader, f h1.Framing, ours int64, body read, left func() int, wire int) {
	t.Helper()
	want := int64(-1)
	switch f {
	case h1.NoBody:
		want = 0
	case h1.Length:
		want = ours
	}
	if length != want {
		t.Fatalf("net/http reads a length of %d, we %d", length, want)
	}
	if !body.done {
		return
	}
	got, err := io.ReadAll(payload)
	if err != nil || !bytes.Equal(got, body.payload) {
		t.Fatalf("net/http reads the body %q, %v, we %q", got, err, body.payload)
	}
	if wire-left() != body.size {
		t.Fatalf("net/http ends the message after %d bytes, we after %d", wire-left(), body.size)
	}
}

// sameFields compares all fields but those that net/http takes out of the header
// or adds of its own.
func sameFields(t *testing.T, got http.Header, fields []h1.Field, but ...string) {
	t.Helper()
	want := http.Header{}
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		want[name] = append(want[name], string(f.Value))
	}
	for _, name := range but {
		delete(want, name)
		delete(got, name)
	}
	if len(want["Pragma"]) > 0 && len(want["Cache-Control"]) == 0 {
		delete(got, "Cache-Control") // net/http derives one from Pragma
	}
	if len(got) != len(want) {
		t.Fatalf("net/http reads %v, we %v", got, want)
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Fatalf("%s: net/http reads %q, we %q", name, got[name], values)
		}
	}
}

func sameAsFasthttp(t *testing.T, r *h1.Request, head []byte) {
	t.Helper()
	var h fasthttp.RequestHeader
	h.DisableNormalizing()
	if err := h.Read(bufio.NewReaderSize(bytes.NewReader(head), 1<<17)); err != nil {
		return // it is stricter in places, such as 1.0 without Host; that is no danger
	}
	length := -2 // identity: none
	switch r.Framing {
	case h1.Chunked:
		length = -1
	case h1.Length:
		length = int(r.Length)
	}
	got := h.ContentLength()
	if got == 0 && length == -2 || h.IsGet() || h.IsHead() {
		got = length // it reads neither a length nor a body where GET and HEAD have none
	}
	if !bytes.Equal(h.Method(), r.Method) || !bytes.Equal(h.RequestURI(), r.Target) || got != length {
		t.Fatalf("fasthttp reads %s %s %d, we %s %d", h.Method(), h.RequestURI(), h.ContentLength(), meaning(r), length)
	}
}

var fuzzForward = h1.Forward{Client: []byte("192.0.2.1"), Proto: "http", Host: []byte("endpoint")}

// forwardsOneMessage checks that net/http, as the endpoint, sees the forwarded
// head and the body's wire form as one message with the same body and no byte more.
func forwardsOneMessage(t *testing.T, r *h1.Request, rest []byte, body read) {
	t.Helper()
	wire := append(r.AppendTo(nil, &fuzzForward), rest[:body.size]...)
	from := bytes.NewReader(wire)
	br := bufio.NewReaderSize(from, 1<<16)
	q, err := http.ReadRequest(br)
	if err != nil {
		if nethttpMayRefuse(err) {
			return
		}
		t.Fatalf("the endpoint refuses %q: %v", wire, err)
	}
	got, err := io.ReadAll(q.Body)
	if err != nil || !bytes.Equal(got, body.payload) || br.Buffered()+from.Len() != 0 {
		t.Fatalf("the endpoint reads the body %q, %v, and %d bytes more of %q", got, err, br.Buffered()+from.Len(), wire)
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Upgrade", "Proxy-Connection", "Proxy-Authorization", "Http2-Settings"} {
		if v := q.Header[name]; v != nil {
			t.Fatalf("%s gets through: %q", name, v)
		}
	}
	if v := q.Header["X-Forwarded-For"]; len(v) != 1 || !strings.HasSuffix(v[0], "192.0.2.1") {
		t.Fatalf("X-Forwarded-For %q", v)
	}
}

// sameAfterForwarding checks that a proxy behind us understands what we did.
func sameAfterForwarding(t *testing.T, r *h1.Request) {
	t.Helper()
	out := r.AppendTo(nil, &fuzzForward)
	var q h1.Request
	if n, err := q.Parse(out, h1.Limits{HeadBytes: 1 << 20, Fields: 1000}); n != len(out) || err != nil {
		t.Fatalf("we refuse what we wrote: %d of %d, %v: %q", n, len(out), err, out)
	}
	if string(q.Method) != string(r.Method) || string(q.Path) != string(r.Path) || q.Framing != r.Framing || q.Length != r.Length ||
		string(q.Upgrade) != string(r.Upgrade) || q.ExpectContinue != r.ExpectContinue || q.Close {
		t.Fatalf("we wrote %s for %s", meaning(&q), meaning(r))
	}
	if q.Hops() != r.Hops()+1 {
		t.Fatalf("%d hops became %d: %q", r.Hops(), q.Hops(), out)
	}
	if len(r.Authority) == 0 {
		return // the second proxy would add an X-Forwarded-Host
	}
	again := q.AppendTo(nil, &h1.Forward{TrustForwarded: true})
	const own = ", 1.1 spillway\r\n"
	if i := bytes.LastIndex(again, []byte(own)); i < 0 || string(again[:i])+"\r\n"+string(again[i+len(own):]) != string(out) {
		t.Fatalf("once and twice forwarded:\n%q\n%q", out, again)
	}
}

func FuzzResponse(f *testing.F) {
	for _, c := range goodResponses {
		f.Add([]byte(lines(c.head)+"5\r\nhello\r\n0\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n"), c.method == "HEAD")
	}
	f.Add([]byte(typicalResponse), false)
	f.Fuzz(func(t *testing.T, data []byte, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		var r h1.Response
		n, err := r.Parse(data, []byte(method), h1.Limits{})
		trickled(t, data, n, err, func(b []byte) (int, error) { return new(h1.Response).Parse(b, []byte(method), h1.Limits{}) },
			forMethod{new(h1.Response), method})
		if n == 0 {
			return
		}
		body := readBody(r.Framing, r.Length, data[n:])
		from := bytes.NewReader(data)
		br := bufio.NewReaderSize(from, 1<<16)
		q, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", data[:n], err)
		}
		if q.StatusCode != r.Status || q.ProtoMinor != int(r.Minor) {
			t.Fatalf("net/http reads %s %s, we %s", q.Proto, q.Status, answer(&r))
		}
		sameFields(t, q.Header, r.Fields, "Transfer-Encoding", "Trailer", "Connection")
		if r.Framing != h1.NoBody { // net/http gives HEAD and 304 the length they would have
			sameBody(t, q.ContentLength, q.Body, r.Framing, r.Length, body, func() int { return br.Buffered() + from.Len() }, len(data)-n)
		}
		for _, minor := range []string{"0", "1"} {
			reaches(t, &r, minor, method, data[n:], body)
		}
	})
}

type forMethod struct {
	r      *h1.Response
	method string
}

func (f forMethod) Parse(b []byte, lim h1.Limits) (int, error) {
	return f.r.Parse(b, []byte(f.method), lim)
}

// reaches checks what net/http, as the client, makes of the response.
func reaches(t *testing.T, r *h1.Response, minor, method string, rest []byte, body read) {
	t.Helper()
	var req h1.Request
	if _, err := req.Parse([]byte(method+" / HTTP/1."+minor+"\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"), h1.Limits{}); err != nil {
		t.Fatal(err)
	}
	rep := r.ReplyTo(&req)
	wire := r.AppendTo(nil, &rep)
	head := len(wire)
	switch {
	case rep.Dechunk:
		wire = append(wire, body.payload...)
	case rep.Chunk:
		if body.size > 0 {
			wire = append(h1.AppendChunk(wire, body.size), rest[:body.size]...)
			wire = append(wire, "\r\n"...)
		}
		wire = h1.AppendChunk(wire, 0)
	default:
		wire = append(wire, rest[:body.size]...)
	}
	from := bytes.NewReader(wire)
	br := bufio.NewReaderSize(from, 1<<16)
	q, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("the client refuses %q: %v", wire, err)
	}
	if q.StatusCode != r.Status || q.Close != rep.Close && r.Status >= 200 && minor == "1" {
		t.Fatalf("the client reads %s, close %v from %q", q.Status, q.Close, wire)
	}
	if body.done && r.Status >= 200 {
		got, err := io.ReadAll(q.Body)
		if err != nil || !bytes.Equal(got, body.payload) || br.Buffered()+from.Len() != 0 {
			t.Fatalf("the client reads the body %q, %v, and %d bytes more of %q", got, err, br.Buffered()+from.Len(), wire)
		}
	}
	var again h1.Response
	if n, err := again.Parse(wire[:head], []byte(method), h1.Limits{HeadBytes: 1 << 20, Fields: 1000}); n != head || err != nil || again.Status != r.Status {
		t.Fatalf("we refuse what we wrote: %d of %d, %v: %q", n, head, err, wire[:head])
	}
}

func FuzzBody(f *testing.F) {
	for _, c := range goodBodies {
		addSeeds(f, c.wire)
	}
	addSeeds(f, "1;a=\"\r\n", "5 ;a\r\nhello\r\n0\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n", "7fffffffffffffff\r\n", strings.Repeat("1\r\na\r\n", 50)+"0\r\n\r\n")
	f.Fuzz(func(t *testing.T, wire []byte) {
		body := readBody(h1.Chunked, 0, wire)
		if !body.done {
			return
		}
		from := bytes.NewReader(append([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), wire...))
		br := bufio.NewReaderSize(from, 1<<16)
		q, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		sameBody(t, q.ContentLength, q.Body, h1.Chunked, 0, body, func() int { return br.Buffered() + from.Len() }, len(wire))

		var fh fasthttp.Request
		from.Seek(0, io.SeekStart)
		br.Reset(from)
		if err := fh.Read(br); err == nil && !bytes.Equal(fh.Body(), body.payload) {
			t.Fatalf("fasthttp reads the body %q, we %q", fh.Body(), body.payload)
		}
	})
}
