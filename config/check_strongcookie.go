package config

import (
	"encoding/base64"
	"slices"
	"strings"
)

// checkStrongCookie checks the cookie of STRONG_COOKIE_AFFINITY (spec.md §5.2, §5.3).
func (l *loader) checkStrongCookie(path string, s *Service) {
	cookie, keep := path+".strong_session_affinity_cookie", path+".connection_draining.keep_sessions"
	if l.bad[path+".session_affinity"] {
		return
	}
	if !s.IsStrong() {
		const strong = `session_affinity = "` + strongAffinity + `"`
		l.onlyWith(cookie, l.has(cookie), strong)
		l.onlyWith(keep, l.has(keep), strong)
		return
	}
	c := s.StrongSessionAffinityCookie
	l.checkCookieName(cookie+".name", c.Name)
	l.checkCookiePath(cookie+".path", c.Path)
	l.checkWholeSeconds(cookie+".ttl", c.TTL)
	if c.TTL > maxCookieTTL {
		l.errorf(cookie+".ttl", "must be at most 1209600s, which is two weeks")
	}
	l.checkCookieKeys(cookie+".keys", c.Keys)
}

// checkCookieKeys quotes none: what it says goes to logs.
func (l *loader) checkCookieKeys(path string, keys []string) {
	if len(keys) == 0 {
		if !l.bad[path] {
			l.warnf(path, "there are none, so that a random one is made at every start: a restart loses all sessions, and no other proxy knows them")
		}
		return
	}
	for i, key := range keys {
		path := at(path, i)
		b, err := base64.StdEncoding.Strict().DecodeString(key)
		switch {
		case l.bad[path]:
		case err != nil || len(b) != 32:
			l.errorf(path, "must be the base64 of 32 random bytes, as `openssl rand -base64 32` writes it")
		case slices.Contains(keys[:i], key):
			l.errorf(path, "is there already")
		}
	}
}

// checkCookieName is for the cookies of every affinity that has one.
func (l *loader) checkCookieName(path, name string) {
	if !isToken(name) {
		l.errorf(path, "%q is not the name of a cookie", name)
	}
}

func (l *loader) checkCookiePath(path, value string) {
	switch {
	case value[0] != '/':
		l.errorf(path, `must begin with "/"`)
	case strings.Contains(value, ";") || !isPath(value):
		l.errorf(path, "has a byte that a cookie's path cannot have")
	}
}

// checkStrongNames warns of services that share a cookie by mistake: a client keeps
// one of the two, which is worth nothing to the other service.
func (l *loader) checkStrongNames(c *Config) {
	for j := range c.Services {
		b := &c.Services[j]
		for i := range c.Services[:j] {
			a := &c.Services[i]
			if !a.IsStrong() || !b.IsStrong() || !c.shareHost(a.Name, b.Name) {
				continue
			}
			if x, y := a.StrongSessionAffinityCookie, b.StrongSessionAffinityCookie; x.Name == y.Name && x.Path == y.Path {
				l.warnf(at("service", j)+".strong_session_affinity_cookie.name",
					"%q is the cookie of the service %q as well, and a client of both keeps one of the two: give it another name or path", y.Name, a.Name)
				break
			}
		}
	}
}

// shareHost reports whether a client may reach both services under one host.
func (c *Config) shareHost(a, b string) bool {
	for i := range c.Listeners {
		l := &c.Listeners[i]
		ofA, ofB := l.hostsOf(a), l.hostsOf(b)
		for _, host := range ofA {
			if slices.ContainsFunc(ofB, func(other string) bool { return host == "" || other == "" || host == other }) {
				return true
			}
		}
	}
	return false
}

// hostsOf are those of the routes to a service; "" is any.
func (v *Listener) hostsOf(service string) (hosts []string) {
	if v.Service == service {
		hosts = append(hosts, "")
	}
	for i := range v.Routes {
		if v.Routes[i].Service == service {
			hosts = append(hosts, v.Routes[i].Host)
		}
	}
	return hosts
}
