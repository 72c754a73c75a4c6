package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// checkNameRoute checks a route of a TCP or SSL listener, which has a name and a service.
func (l *loader) checkNameRoute(listener string, i int, v *Listener, c *Config) {
	path, r := at(listener+".route", i), &v.Routes[i]
	l.checkNoHTTP(path, r)
	if r.Service == "" {
		l.errorf(path+".service", "is required")
	} else {
		l.checkServiceOf(listener, path+".service", r.Service, v, c)
		if s, _ := c.service(r.Service); s != nil && s.Protocol == "SSL" && v.Protocol == "TCP" {
			l.errorf(path+".service", "the service %q speaks SSL, but what a route by sni passes on is TLS already: its service speaks TCP", r.Service)
		}
	}
	if problem := sniProblem(r.SNI); problem != "" {
		l.errorf(path+".sni", "%s", problem)
		return
	}
	for j := range i {
		if before := v.Routes[j].SNI; before != "" && coversHost(before, r.SNI) {
			l.errorf(path, "nothing reaches this route: the one%s matches first", l.onLine(at(listener+".route", j)))
			return
		}
	}
}

// checkNoHTTP notes keys of a route for which somebody would have to read requests.
func (l *loader) checkNoHTTP(path string, r *Route) {
	const http = `protocol = "HTTP" or "HTTPS"`
	l.onlyWith(path+".host", r.Host != "", http)
	l.onlyWith(path+".path_prefix", r.PathPrefix != "", http)
	l.onlyWith(path+".timeout", r.Timeout != 0, http)
	l.onlyWith(path+".max_body_bytes", r.MaxBodyBytes != 0, http)
	l.onlyWith(path+".url_redirect", r.URLRedirect != nil, http)
	l.onlyWith(path+".fixed_response", r.FixedResponse != nil, http)
	l.onlyWith(path+".url_rewrite", r.URLRewrite != nil, http)
	l.onlyWith(path+".header_action", r.HeaderAction != nil, http)
}

// sniProblem says what is wrong with the name of a route, "" if nothing is.
func sniProblem(sni string) string {
	name := strings.TrimPrefix(sni, "*.")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "cannot be an IP address: who connects to one asks for no name (RFC 6066, section 3)"
	}
	switch sni {
	case "":
		return `is required, such as "www.example.com" or "*.example.com"`
	case "*":
		return `cannot be "*": what no route takes goes to the listener's service`
	}
	if problem := hostProblem(sni); problem != "" {
		return fmt.Sprintf("%q %s", sni, problem)
	}
	return ""
}
