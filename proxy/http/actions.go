package http

import (
	"bytes"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// What a route does to a request besides handing it on. Routes that do nothing
// of the kind, most of them, cost a comparison with nil.

// act does what the route says to do with the request. What it returns ends the
// exchange: an answer of the route's own, which is x.own, or a failure.
func (x *exchange) act(forward *h1.Forward) *failure {
	a := x.route.Actions
	switch {
	case a.Redirect != nil:
		return x.redirect(a.Redirect)
	case a.Fixed != nil:
		x.own = failure{status: a.Fixed.Status, outcome: lb.Neutral}
		return &x.own
	}
	if a.PathRewrite != "" {
		var ok bool
		if x.target, ok = x.route.AppendRewritten(x.target[:0], x.req.Path, a.PathRewrite); !ok {
			return ambiguousPath
		}
		x.target = append(x.target, x.query()...)
		forward.Target = x.target
	}
	if a.HostRewrite != nil {
		forward.Host = a.HostRewrite
	}
	x.req.Drop(a.Request.Drop())
	forward.Add = a.Request.Lines()
	return nil
}

// ambiguousPath is for a path that would come out of a rewrite with another
// meaning than it went in with.
var ambiguousPath = &failure{400, "http_request_error", "the path is ambiguous\n", lb.Neutral, 0}

// redirect says where the client is to go.
func (x *exchange) redirect(d *proxy.Redirect) *failure {
	wanted := proxy.Wanted{HTTPS: x.cameByHTTPS(), Authority: x.req.Authority, Path: x.req.Path, Query: x.query()}
	if len(wanted.Authority) == 0 {
		wanted.Authority = x.localHost() // HTTP/1.0 without Host
	}
	var ok bool
	if x.target, ok = d.AppendLocation(x.target[:0], x.route, &wanted); !ok {
		return ambiguousPath
	}
	x.own = failure{status: d.Status, outcome: lb.Neutral}
	return &x.own
}

// cameByHTTPS reports whether the client spoke TLS: to a proxy that we trust, if
// that one says either, else to us.
func (x *exchange) cameByHTTPS() bool {
	if values := x.fields("X-Forwarded-Proto"); len(values) == 1 && x.trusted() {
		return len(values[0]) == len("https") && foldEqual(values[0], "https")
	}
	return x.c.tls != nil
}

// query is the target's, with its "?".
func (x *exchange) query() []byte {
	if i := bytes.IndexByte(x.req.Target, '?'); i >= 0 {
		return x.req.Target[i:]
	}
	return nil
}

// editResponse edits the endpoint's response on its way to the client.
func (x *exchange) editResponse(rep *h1.Reply) {
	edit := &x.route.Actions.Response
	x.resp.Drop(edit.Drop())
	rep.Add = edit.Lines()
}

// answer sends the redirect or the fixed response. A client that does not take
// it gets no more time than it has for a request.
func (x *exchange) answer() {
	a := x.route.Actions
	head := h1.Answer{Status: x.own.status, Add: a.Response.Lines(), Close: x.req.Close}
	var body []byte
	if a.Redirect != nil {
		head.Location = x.target
	} else {
		body = a.Fixed.Body
		head.ContentType, head.Length = a.Fixed.ContentType, len(body)
	}
	if string(x.req.Method) == "HEAD" {
		body = nil
	}
	x.out = head.AppendTo(x.out[:0])
	x.c.conn.WriteBy(after(time.Now(), x.set.ClientTimeout))
	if f := x.write(x.out, body); f != nil {
		x.req.Close = true
		x.rec.Cause = f.cause
		return
	}
	x.rec.BytesOut = int64(len(body))
}
