package config

import (
	"strings"
)

func (l *loader) checkListener(path string, v *Listener, c *Config) {
	if v.Listen == "" {
		l.errorf(path+".listen", `is required, such as ":8080"`)
	} else if _, err := checkListenAddress(v.Listen); err != nil {
		l.errorf(path+".listen", "%v", err)
	} else {
		l.checkLabel(path+".name", v.Name)
	}
	if v.Service == "" && len(v.Routes) == 0 && !l.bad[path+".protocol"] {
		l.errorf(path+".service", "a listener needs a service or routes")
	}
	if v.MaxConnections < 0 {
		l.errorf(path+".max_connections", "must not be negative")
	}
	l.checkTransparent(path, v)
	l.checkProxies(path, v)
	if v.IsHTTP() {
		l.checkHTTPListener(path, v)
	} else if v.Protocol == "UDP" {
		l.checkUDPListener(path, v)
	} else if !l.bad[path+".protocol"] {
		l.checkTCPListener(path, v)
	}
	l.checkListenerTLS(path, v)
	if v.Service != "" {
		l.checkServiceOf(path, path+".service", v.Service, v, c)
	}
	for i := range v.Routes {
		if v.Protocol == "UDP" {
			break // told above that it has none
		}
		if !v.IsHTTP() {
			l.checkNameRoute(path, i, v, c)
			continue
		}
		l.checkRoute(path, at(path+".route", i), &v.Routes[i], v, c)
		l.checkActions(at(path+".route", i), v.Routes, i)
		l.checkShadow(path+".route", v.Routes, i)
	}
}

func (l *loader) checkHTTPListener(path string, v *Listener) {
	l.checkPositive(path+".client_timeout", v.ClientTimeout)
	l.checkPositive(path+".keepalive_timeout", v.KeepaliveTimeout)
	l.checkRange(path+".max_header_bytes", int64(v.MaxHeaderBytes), 1<<10, 1<<20)
}

func (l *loader) checkTCPListener(path string, v *Listener) {
	const http = `protocol = "HTTP" or "HTTPS"`
	for _, key := range []string{".keepalive_timeout", ".max_header_bytes"} {
		l.onlyWith(path+key, l.has(path+key), http)
	}
	if v.IsTLS() || len(v.Routes) > 0 || v.ProxyProtocol {
		l.checkPositive(path+".client_timeout", v.ClientTimeout)
	} else {
		l.onlyWith(path+".client_timeout", l.has(path+".client_timeout"),
			`protocol = "HTTP", "HTTPS" or "SSL", or with routes by sni or proxy_protocol`)
	}
}

// checkServiceOf checks that the service a listener or route refers to exists
// and speaks the listener's protocol.
func (l *loader) checkServiceOf(listener, path, name string, v *Listener, c *Config) {
	s, i := c.service(name)
	switch {
	case s == nil:
		if guess := nearest(name, c.serviceNames()); guess != "" {
			l.errorf(path, "no service is named %q; did you mean %q?", name, guess)
		} else {
			l.errorf(path, "no service is named %q", name)
		}
	case l.bad[listener+".protocol"] || l.bad[at("service", i)+".protocol"]:
	case insideTLS(s.Protocol) != insideTLS(v.Protocol):
		l.errorf(path, "the service %q speaks %s, but the listener speaks %s", name, s.Protocol, v.Protocol)
	}
}

func (l *loader) checkRoute(listener, path string, r *Route, v *Listener, c *Config) {
	l.onlyWith(path+".sni", r.SNI != "" && !l.bad[listener+".protocol"], `protocol = "TCP" or "SSL"`)
	if r.Service != "" {
		l.checkServiceOf(listener, path+".service", r.Service, v, c)
	}
	if r.Host != "" {
		if problem := hostProblem(r.Host); problem != "" {
			l.errorf(path+".host", "%q %s", r.Host, problem)
		}
	}
	switch {
	case r.PathPrefix[0] != '/':
		l.errorf(path+".path_prefix", `must begin with "/"`)
	case strings.ContainsAny(r.PathPrefix, "?#*"):
		l.errorf(path+".path_prefix", `is compared byte for byte with the path alone: it cannot have "?", "#" or "*"`)
	case !isPath(r.PathPrefix):
		l.errorf(path+".path_prefix", "has a byte that no path has: percent-encode it")
	}
	if r.MaxBodyBytes < 0 {
		l.errorf(path+".max_body_bytes", "must not be negative")
	}
}

// hostProblem says what is wrong with a route's host, "" if nothing is.
func hostProblem(host string) string {
	name := strings.TrimPrefix(host, "*.")
	switch {
	case strings.Contains(name, "*"):
		return `may have "*" only as its first label, as in "*.example.com"; without host a route matches any`
	case strings.HasSuffix(name, "."):
		return `must not end with "."`
	case strings.Contains(name, ":") && !strings.HasPrefix(name, "["):
		return "must not have a port: a route matches the host on any port"
	}
	a, err := parseAddress(name)
	if err != nil || a.host == "" || a.path != "" || a.port >= 0 {
		return "is not the name of a host"
	}
	return ""
}

// checkShadow notes a route that nothing reaches, because the first match wins
// and an earlier route matches all that it does.
func (l *loader) checkShadow(path string, routes []Route, i int) {
	for j := range i {
		if covers(&routes[j], &routes[i]) {
			l.errorf(at(path, i), "nothing reaches this route: the one%s matches first", l.onLine(at(path, j)))
			return
		}
	}
}

// covers reports whether a matches every request that b matches.
func covers(a, b *Route) bool {
	return coversHost(a.Host, b.Host) && strings.HasPrefix(b.PathPrefix, a.PathPrefix)
}

func coversHost(a, b string) bool {
	wild := strings.HasPrefix(a, "*.") && strings.HasSuffix(b, a[1:])
	return a == "" || a == b || wild
}

// isPath reports whether s is visible ASCII, as a request target is.
func isPath(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
