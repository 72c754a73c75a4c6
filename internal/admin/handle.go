package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/valyala/fasthttp"
)

// A request is one that has been routed: the service and endpoint or group that
// its path names, unescaped.
type request struct {
	*fasthttp.RequestCtx
	service, member string
}

// A route is one resource of the API. A nil handler means that the resource
// does not know the method.
type route struct {
	get, post func(*Server, *request)
	open      bool // needs no token
}

// The resources.
var (
	livezRoute     = route{get: (*Server).livez, open: true}
	readyzRoute    = route{get: (*Server).readyz, open: true}
	metricsRoute   = route{get: (*Server).scrape}
	proxyRoute     = route{get: (*Server).proxy}
	servicesRoute  = route{get: (*Server).services}
	serviceRoute   = route{get: (*Server).service}
	explainRoute   = route{get: (*Server).explain}
	endpointRoute  = route{post: (*Server).setEndpoint}
	groupRoute     = route{post: (*Server).setGroup}
	upgradeRoute   = route{post: (*Server).upgrade}
	reloadRoute    = route{post: (*Server).reload}
	profilingRoute = route{get: (*Server).profile, post: (*Server).profile} // POST: /symbol
)

// find returns the resource at a path, still escaped, and the names in it.
func (s *Server) find(path string) (r *route, name, member string) {
	switch path {
	case "/livez":
		return &livezRoute, "", ""
	case "/readyz":
		return &readyzRoute, "", ""
	case "/metrics":
		return &metricsRoute, "", ""
	case "/api/v1/reload":
		return &reloadRoute, "", ""
	case "/api/v1/proxy":
		return &proxyRoute, "", ""
	case "/api/v1/upgrade":
		return &upgradeRoute, "", ""
	case "/api/v1/services":
		return &servicesRoute, "", ""
	}
	if s.o.Pprof && strings.HasPrefix(path, "/debug/pprof/") {
		return &profilingRoute, "", ""
	}
	rest, ok := strings.CutPrefix(path, "/api/v1/services/")
	if !ok || rest == "" {
		return nil, "", ""
	}
	name, rest, more := strings.Cut(rest, "/")
	kind, member, _ := strings.Cut(rest, "/")
	name, err1 := url.PathUnescape(name)
	member, err2 := url.PathUnescape(member)
	switch {
	case err1 != nil || err2 != nil:
		return nil, "", ""
	case !more:
		return &serviceRoute, name, ""
	case rest == "explain":
		return &explainRoute, name, ""
	case kind == "endpoints" && member != "":
		return &endpointRoute, name, member
	case kind == "groups" && member != "":
		return &groupRoute, name, member
	}
	return nil, "", ""
}

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.survive(ctx)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")

	r, name, member := s.find(string(ctx.URI().PathOriginal()))
	if (r == nil || !r.open) && !s.authorized(ctx) {
		// Without a token nobody learns which paths there are.
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="spillway"`)
		problem(fasthttp.StatusUnauthorized, "this needs the header Authorization: Bearer TOKEN with the admin API's token").send(ctx)
		return
	}
	if r == nil {
		problem(fasthttp.StatusNotFound, "nothing is at %s", ctx.URI().PathOriginal()).send(ctx)
		return
	}
	serve := r.get
	if ctx.IsPost() {
		serve = r.post
	}
	if serve == nil || !(ctx.IsGet() || ctx.IsHead() || ctx.IsPost()) {
		ctx.Response.Header.Set(fasthttp.HeaderAllow, r.allow())
		problem(fasthttp.StatusMethodNotAllowed, "%s allows %s, not %s", ctx.URI().PathOriginal(), r.allow(), ctx.Method()).send(ctx)
		return
	}
	if ctx.IsPost() && s.o.Token == "" && fromWebPage(ctx) {
		problem(fasthttp.StatusForbidden, "web pages of other sites may not change this proxy").send(ctx)
		return
	}
	serve(s, &request{ctx, name, member})
}

// survive turns a panic into a 500: fasthttp would let it end the process, and
// with it the traffic.
func (s *Server) survive(ctx *fasthttp.RequestCtx) {
	if p := recover(); p != nil {
		s.o.Log.Error("admin API: panic", "panic", p, "stack", string(debug.Stack()))
		ctx.Response.Reset()
		problem(fasthttp.StatusInternalServerError, "this is a bug in Spillway; its log has the details").send(ctx)
	}
}

func (r *route) allow() string {
	switch {
	case r.post == nil:
		return "GET, HEAD"
	case r.get == nil:
		return "POST"
	}
	return "GET, HEAD, POST"
}

// authorized compares hashes, in constant time, so that neither the token's
// bytes nor its length can be told from how long the answer takes.
func (s *Server) authorized(ctx *fasthttp.RequestCtx) bool {
	if s.o.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
	want, got := sha256.Sum256([]byte(s.o.Token)), sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// fromWebPage reports whether a browser sent the request for a page of somebody
// else. On loopback, without a token, the browser of whoever runs the proxy is
// as trusted as its user, and every page it shows could post here. Browsers say
// whose page it is in Origin; one that made its own name point to 127.0.0.1 is
// known by that name in Host.
func fromWebPage(ctx *fasthttp.RequestCtx) bool {
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host != string(ctx.Host()) {
		return true
	}
	host := u.Hostname()
	if host == "localhost" {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}
