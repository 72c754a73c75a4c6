package config

import (
	"net/netip"
	"strings"
	"time"
)

// fillProxyProtocol sets how long a header may take.
func (l *loader) fillProxyProtocol(path string, v *Listener) {
	if v.ProxyProtocol && !l.has(path+".client_timeout") {
		v.ClientTimeout = Duration(time.Minute)
	}
}

// checkProxies checks whose word a listener takes for where its clients are.
func (l *loader) checkProxies(path string, v *Listener) {
	l.checkProxyProtocol(path, v)
	for i, s := range v.TrustedProxies {
		if p, err := netip.ParsePrefix(s); err == nil && p.Bits() == 0 {
			l.warnf(at(path+".trusted_proxies", i), "%s lets every client choose the address it seems to come from", s)
		}
	}
}

// checkProxyProtocol checks whose PROXY headers are believed.
func (l *loader) checkProxyProtocol(path string, v *Listener) {
	key, trusted := path+".proxy_protocol", path+".trusted_proxies"
	switch {
	case v.Protocol == "UDP":
		l.onlyWith(key, v.ProxyProtocol, `another protocol than "UDP", which has no connections that a header could begin`)
		return
	case l.bad[path+".protocol"]:
		return
	case !v.IsHTTP() && !v.ProxyProtocol:
		l.onlyWith(trusted, len(v.TrustedProxies) > 0, `protocol = "HTTP" or "HTTPS", or proxy_protocol`)
	}
	if !v.ProxyProtocol {
		return
	}
	unix := strings.HasPrefix(v.Listen, "unix:")
	switch {
	case !unix && len(v.TrustedProxies) == 0 && !l.bad[trusted]:
		l.errorf(key, "needs trusted_proxies, which say whose headers are believed")
	case unix && !v.IsHTTP():
		l.onlyWith(trusted, len(v.TrustedProxies) > 0, `an address that has peers with addresses: on a unix socket everybody's header is believed`)
	}
}

// sendsProxyProtocol reports whether the service's connections are each for one
// client.
func (s *Service) sendsProxyProtocol() bool { return s.Protocol == "TCP" || s.Protocol == "SSL" }

func (l *loader) checkServiceProxyProtocol(path string, s *Service) {
	if s.sendsProxyProtocol() || s.ProxyProtocol == "" || l.bad[path] {
		return
	}
	switch {
	case s.ProxyProtocol == "NONE":
	case s.Protocol == "UDP":
		l.errorf(path, "datagrams have no place for a header: only TCP and SSL connections do")
	default:
		l.errorf(path, "connections to endpoints that speak %s are shared by clients, who are told of by X-Forwarded-For", s.Protocol)
	}
}
