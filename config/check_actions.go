package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxBody bounds the body of a fixed response: this is no place for files.
const maxBody = 64 << 10

// checkActions checks where a route's requests go, and what happens to them on
// the way.
func (l *loader) checkActions(path string, routes []Route, i int) {
	r := &routes[i]
	l.checkDestination(path, r)
	if r.URLRedirect != nil {
		l.checkRedirect(path, r)
		l.checkCircle(path, routes, i)
	}
	if r.FixedResponse != nil {
		l.checkFixed(path+".fixed_response", r.FixedResponse)
	}
	if r.URLRewrite != nil {
		l.checkRewrite(path, r)
	}
	if r.HeaderAction != nil {
		l.checkHeaderAction(path+".header_action", r)
	}
	if r.Service == "" && !l.bad[path+".service"] {
		const service = "service"
		l.onlyWith(path+".timeout", r.Timeout != 0, service)
		l.onlyWith(path+".max_body_bytes", r.MaxBodyBytes != 0, service)
		l.onlyWith(path+".url_rewrite", r.URLRewrite != nil, service)
	}
}

// checkDestination checks that there is one.
func (l *loader) checkDestination(path string, r *Route) {
	var set []string
	if r.Service != "" || l.bad[path+".service"] {
		set = append(set, "service")
	}
	if r.URLRedirect != nil {
		set = append(set, "url_redirect")
	}
	if r.FixedResponse != nil {
		set = append(set, "fixed_response")
	}
	switch {
	case len(set) == 0:
		l.errorf(path+".service", "is required, unless there is url_redirect or fixed_response")
	case len(set) > 1:
		l.errorf(path+"."+set[1], "cannot be had beside %s: a route has one of the two", set[0])
	}
}

// emptyf notes a table that says nothing, unless it tried to.
func (l *loader) emptyf(path, message string) {
	for bad := range l.bad {
		if strings.HasPrefix(bad, path+".") {
			return
		}
	}
	l.errorf(path, "%s", message)
}

func (l *loader) checkRedirect(route string, r *Route) {
	path, d := route+".url_redirect", r.URLRedirect
	if d.HostRedirect == "" && d.PathRedirect == "" && d.PrefixRedirect == "" && !d.HTTPSRedirect {
		l.emptyf(path, "leads nowhere else: it needs host_redirect, path_redirect, prefix_redirect or https_redirect")
		return
	}
	l.checkAuthority(path+".host_redirect", d.HostRedirect)
	l.checkNewPath(path+".path_redirect", d.PathRedirect)
	l.checkNewPath(path+".prefix_redirect", d.PrefixRedirect)
	if d.PathRedirect != "" && d.PrefixRedirect != "" {
		l.errorf(path+".prefix_redirect", "cannot be had beside path_redirect")
	}
	l.checkJoint(path+".prefix_redirect", r.PathPrefix, d.PrefixRedirect)
}

// checkCircle warns of a redirect whose own route takes the client again.
func (l *loader) checkCircle(path string, routes []Route, i int) {
	r, key := &routes[i], "path_redirect"
	to := r.URLRedirect.PathRedirect
	if to == "" {
		key, to = "prefix_redirect", r.URLRedirect.PrefixRedirect
	}
	if to == "" || r.URLRedirect.HostRedirect != "" || r.URLRedirect.HTTPSRedirect || !strings.HasPrefix(to, r.PathPrefix) {
		return
	}
	caught := func(before Route) bool { return strings.HasPrefix(to, before.PathPrefix) }
	if !slices.ContainsFunc(routes[:i], caught) {
		l.warnf(path+".url_redirect."+key, "this route matches %q, so clients will go in circles", to)
	}
}

func (l *loader) checkFixed(path string, f *FixedResponse) {
	if l.bad[path] {
		return
	}
	if f.Status == 0 && !l.has(path+".status") {
		l.errorf(path+".status", "is required")
	}
	l.checkRange(path+".status", int64(f.Status), 200, 599)
	if f.Status == 204 || f.Status == 205 || f.Status == 304 {
		if f.Body != "" {
			l.errorf(path+".body", "a %d has none", f.Status)
		}
	}
	if len(f.Body) > maxBody {
		l.errorf(path+".body", "has %d bytes, and may have %d", len(f.Body), maxBody)
	}
	if !l.bad[path+".body"] {
		l.onlyWith(path+".content_type", f.ContentType != "" && f.Body == "", "body")
	}
	l.checkFieldValue(path+".content_type", f.ContentType)
}

func (l *loader) checkRewrite(route string, r *Route) {
	path, w := route+".url_rewrite", r.URLRewrite
	if w.PathPrefixRewrite == "" && w.HostRewrite == "" {
		l.emptyf(path, "needs path_prefix_rewrite or host_rewrite")
	}
	l.checkNewPath(path+".path_prefix_rewrite", w.PathPrefixRewrite)
	l.checkJoint(path+".path_prefix_rewrite", r.PathPrefix, w.PathPrefixRewrite)
	l.checkAuthority(path+".host_rewrite", w.HostRewrite)
}

// checkAuthority checks a host with or without a port.
func (l *loader) checkAuthority(path, s string) {
	if s == "" {
		return
	}
	a, err := parseAddress(s)
	switch {
	case err != nil:
		l.errorf(path, "%v", err)
	case a.port == 0:
		l.errorf(path, "the port must be from 1 to 65535")
	case a.path != "" || a.host == "" || len(s) > 255 || strings.Contains(a.host, "%") ||
		strings.Contains(a.host, ":") && s[0] != '[':
		l.errorf(path, "%q is not a host, with or without a port", s)
	}
}

// checkNewPath checks what is put in place of a path or of its beginning.
func (l *loader) checkNewPath(path, s string) {
	if s == "" {
		return
	}
	if problem := newPathProblem(s); problem != "" {
		l.errorf(path, "%s", problem)
	}
}

// newPathProblem says what is wrong with a path, "" if nothing is. It is to be in
// the one form that the proxy, too, takes paths in before it compares them.
func newPathProblem(s string) string {
	switch {
	case s[0] != '/':
		return `must begin with "/"`
	case strings.ContainsAny(s, "?#"):
		return `is a path alone: it cannot have "?" or "#"`
	case !isPath(s):
		return "has a byte that no path has: percent-encode it"
	case len(s) > 1024:
		return "may have 1024 bytes"
	}
	for _, segment := range strings.Split(s, "/") {
		if segment == "." || segment == ".." {
			return fmt.Sprintf("has a segment %q: write the path that is meant", segment)
		}
	}
	for _, rest := range strings.Split(s, "%")[1:] {
		if len(rest) < 2 {
			return `has a "%" that begins no percent-encoding: write "%25"`
		}
		c, err := strconv.ParseUint(rest[:2], 16, 8)
		switch {
		case err != nil:
			return `has a "%" that begins no percent-encoding: write "%25"`
		case isBareByte(byte(c)) || c == '.' || c == '~':
			return fmt.Sprintf("has %q for %q: write the character itself", "%"+rest[:2], rune(c))
		}
	}
	return ""
}

// checkJoint warns where the part of a path that is replaced ends with "/" and
// what replaces it does not, or the other way round.
func (l *loader) checkJoint(path, prefix, other string) {
	if other == "" || l.bad[path] || strings.HasSuffix(prefix, "/") == strings.HasSuffix(other, "/") {
		return
	}
	rest := "/x"
	if strings.HasSuffix(prefix, "/") {
		rest = "x"
	}
	l.warnf(path, `makes %q of %q: let both path_prefix and this end with "/", or neither`, other+rest, prefix+rest)
}

func (l *loader) checkHeaderAction(path string, r *Route) {
	h := r.HeaderAction
	if len(h.RequestHeadersToAdd)+len(h.RequestHeadersToRemove)+len(h.ResponseHeadersToAdd)+len(h.ResponseHeadersToRemove) == 0 {
		l.emptyf(path, "changes no header")
	}
	if r.Service == "" {
		const service = "service"
		l.onlyWith(path+".request_headers_to_add", len(h.RequestHeadersToAdd) > 0, service)
		l.onlyWith(path+".request_headers_to_remove", len(h.RequestHeadersToRemove) > 0, service)
		l.onlyWith(path+".response_headers_to_remove", len(h.ResponseHeadersToRemove) > 0, service)
	}
	for i, name := range h.RequestHeadersToRemove {
		l.checkEditable(at(path+".request_headers_to_remove", i), name)
	}
	for i, name := range h.ResponseHeadersToRemove {
		l.checkEditable(at(path+".response_headers_to_remove", i), name)
	}
	l.checkAdditions(path+".request_headers_to_add", h.RequestHeadersToAdd)
	l.checkAdditions(path+".response_headers_to_add", h.ResponseHeadersToAdd)
	for i, f := range h.ResponseHeadersToAdd {
		key := at(path+".response_headers_to_add", i) + ".header_name"
		switch {
		case r.URLRedirect != nil && strings.EqualFold(f.HeaderName, "Location"):
			l.errorf(key, "Location is what url_redirect makes")
		case r.FixedResponse != nil && strings.EqualFold(f.HeaderName, "Content-Type"):
			l.errorf(key, "Content-Type is what fixed_response.content_type is for")
		}
	}
}

func (l *loader) checkAdditions(path string, fields []HeaderToAdd) {
	for i, f := range fields {
		element := at(path, i)
		if l.bad[element] {
			continue
		}
		l.checkEditable(element+".header_name", f.HeaderName)
		l.checkFieldValue(element+".header_value", f.HeaderValue)
		for j := range i {
			if f.Replace && f.HeaderName != "" && strings.EqualFold(f.HeaderName, fields[j].HeaderName) {
				l.errorf(element+".replace", "takes the place of the %s that is added%s", f.HeaderName, l.onLine(at(path, j)))
			}
		}
	}
}

// fixedHeaders are those that the proxy writes itself, or that mean one connection
// only (RFC 9110, section 7.6.1).
var fixedHeaders = []string{
	"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
	"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
}

func (l *loader) checkEditable(path, name string) {
	switch lower := strings.ToLower(name); {
	case name == "":
		l.errorf(path, "is required")
	case !isToken(name):
		l.errorf(path, "%q is not the name of a header", name)
	case lower == "host":
		l.errorf(path, "%s is what url_rewrite.host_rewrite is for", name)
	case slices.Contains(fixedHeaders, lower):
		l.errorf(path, "%s is not for a route to change", name)
	}
}

// checkFieldValue checks the value of a header (RFC 9110, section 5.5).
func (l *loader) checkFieldValue(path, s string) {
	control := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	switch {
	case strings.ContainsFunc(s, control):
		l.errorf(path, "has a line break or another control character, which no header has")
	case strings.Trim(s, " \t") != s:
		l.errorf(path, "begins or ends with a space, which no reader keeps")
	}
}
