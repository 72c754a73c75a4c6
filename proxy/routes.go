package proxy

import (
	"bytes"
	"strings"
	"time"
)

// A Route sends requests to a service, or answers them itself.
type Route struct {
	// Host is "" for any, an exact name, or "*.example.com" for all names below
	// example.com; lower case, without a port.
	Host string
	// PathPrefix is what the path begins with; "" or "/" for any. It is compared with
	// the path that cleanPath gives, so "/%61" and "/b/../a" are "/a" here,
	// while the endpoint receives the target byte for byte.
	PathPrefix string
	// Service is nil where Actions answer.
	Service *Service
	// Actions is what else is done to a request and its response; nil: nothing.
	Actions *Actions
	// Timeout stands in for the service's; 0: no limit.
	Timeout time.Duration
	// MaxBodyBytes is the largest request body; 0: no limit.
	MaxBodyBytes int64
}

// Routes is a listener's table: the first route that matches wins. It never
// changes.
type Routes struct {
	routes []Route
}

// NewRoutes returns a table of these routes; fallback, if not nil, takes what
// none of them matches.
func NewRoutes(routes []Route, fallback *Service) *Routes {
	t := &Routes{routes: append([]Route(nil), routes...)}
	if fallback != nil {
		t.routes = append(t.routes, Route{Service: fallback, Timeout: fallback.Timeout})
	}
	for i := range t.routes {
		if r := &t.routes[i]; r.PathPrefix == "/" {
			r.PathPrefix = "" // "OPTIONS *" has a path that does not begin with it
		}
	}
	return t
}

// Match returns the route for a request, or nil. authority is the host with or
// without a port, path the path without a query, both as received.
func (t *Routes) Match(authority, path []byte) *Route {
	if len(t.routes) == 1 && t.routes[0].Host == "" && t.routes[0].PathPrefix == "" {
		return &t.routes[0]
	}
	var scratch [512]byte
	path = cleanPath(scratch[:0], path)
	host := hostname(authority)
	for i := range t.routes {
		r := &t.routes[i]
		if matchHost(r.Host, host) && len(path) >= len(r.PathPrefix) && string(path[:len(r.PathPrefix)]) == r.PathPrefix {
			return r
		}
	}
	return nil
}

// MatchName returns the first route for a host of this name, or nil. It is for
// those who have a name but no path, as TLS clients; an empty one has no route but
// one for any host.
func (t *Routes) MatchName(name []byte) *Route {
	for i := range t.routes {
		if r := &t.routes[i]; matchHost(r.Host, name) {
			return r
		}
	}
	return nil
}

// matchHost compares without regard to case, and to the dot at the end that an
// absolute name may carry.
func matchHost(pattern string, host []byte) bool {
	if pattern == "" {
		return true
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok { // ".example.com"
		return len(host) > len(suffix) && equalFold(host[len(host)-len(suffix):], suffix)
	}
	return equalFold(host, pattern)
}

// equalFold compares ASCII letters without regard to case; lower is lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hostname cuts the port off an authority.
func hostname(authority []byte) []byte {
	if len(authority) > 0 && authority[0] == '[' { // an IPv6 literal has colons of its own
		if i := bytes.IndexByte(authority, ']'); i > 0 {
			return authority[:i+1]
		}
		return authority
	}
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 {
		return authority[:i]
	}
	return authority
}

// cleanPath returns path with percent-encoded unreserved characters decoded
// (RFC 3986 §6.2.2.2) and dot segments removed (§5.2.4), so that two spellings
// of one path take one route. "%2F" and "//" stay: they are not the same path.
// The result is path itself when nothing is to be done, else it is in buf if it
// fits there.
func cleanPath(buf, path []byte) []byte {
	if bytes.IndexByte(path, '%') < 0 && !bytes.Contains(path, []byte("/.")) {
		return path
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			if d, ok := unhex(path[i+1], path[i+2]); ok && unreserved(d) {
				c = d
				i += 2
			}
		}
		buf = append(buf, c)
	}
	return removeDots(buf)
}

// removeDots resolves "/./" and "/../" in place.
func removeDots(p []byte) []byte {
	out := p[:0]
	for i := 0; i < len(p); {
		end := i + 1 // the segment that begins with the slash at i
		for end < len(p) && p[end] != '/' {
			end++
		}
		switch seg := string(p[i:end]); {
		case seg == "/." || seg == "/..":
			if seg == "/.." {
				out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
			}
			if end == len(p) {
				out = append(out, '/')
			}
		default:
			out = append(out, p[i:end]...)
		}
		i = end
	}
	return out
}

func unhex(hi, lo byte) (byte, bool) {
	h, ok1 := hexDigit(hi)
	l, ok2 := hexDigit(lo)
	return h<<4 | l, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// unreserved are the characters whose encoding means nothing (RFC 3986 §2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
