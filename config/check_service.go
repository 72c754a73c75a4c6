package config

import (
	"math/big"
	"strings"
	"time"
)

func (l *loader) checkService(path string, s *Service, c *Config) {
	l.checkRequiredName(path+".name", s.Name)
	l.checkPositive(path+".connect_timeout", s.ConnectTimeout)
	l.checkPanic(path, s)
	if s.IsHTTP() {
		l.checkPositive(path+".keepalive_timeout", s.KeepaliveTimeout)
	} else if !l.bad[path+".protocol"] {
		l.onlyWith(path+".keepalive_timeout", l.has(path+".keepalive_timeout"), `protocol = "HTTP" or "HTTPS"`)
	}
	l.checkAffinity(path, s)
	l.checkHashing(path+".consistent_hash", s, c)
	l.checkCookie(path, s)
	l.checkStrongCookie(path, s)
	l.checkMembers(path, s, c)
	l.checkTracking(path, s)
	l.checkUDPService(path, s, c)
	l.checkSource(path, s, c)
	l.checkOriginalDestination(path, s, c)
	l.checkServiceProxyProtocol(path+".proxy_protocol", s)
	l.checkServiceTLS(path, s, c)
	l.checkFoundNames(path, s, c)
	l.checkFailover(path, s)
	l.checkSubsetting(path, s)
	l.checkWeightedRoundRobin(path, s)
	l.checkSlowStart(path, s)
	l.checkBreakers(path, s, c)
	l.checkOutlier(path, s, c)
	l.checkZonalAffinity(path, s, c)
	l.checkCapacity(path, s, c)
	l.checkLBPolicy(path+".service_lb_policy", s, c)
	l.checkCustomMetrics(path+".custom_metrics", s)
	l.checkUtilization(path, s)
	if s.HealthCheck != nil {
		l.checkHealthCheck(path+".health_check", s.HealthCheck)
		l.checkNamedPort(path, s, c)
	}
	if s.Retry != nil {
		l.checkRetry(path+".retry", s, c)
	}
}

// checkAffinity checks what affinity needs of its service (spec.md §5.1).
func (l *loader) checkAffinity(path string, s *Service) {
	affinity := s.SessionAffinity
	if l.bad[path+".session_affinity"] || l.bad[path+".locality_lb_policy"] || l.bad[path+".protocol"] {
		return
	}
	if !s.IsHTTP() && (hasCookie(affinity) || affinity == "HEADER_FIELD" || s.IsStrong()) {
		l.errorf(path+".session_affinity", "%s needs a service that speaks HTTP, not %s", affinity, s.Protocol)
	} else if affinity != "NONE" && !s.IsStrong() && !hashes(s.LocalityLBPolicy) {
		l.errorf(path+".session_affinity",
			"%s would have no effect: %s does not hash; MAGLEV, WEIGHTED_MAGLEV and RING_HASH do", affinity, s.LocalityLBPolicy)
	}
	header, headerPath := s.ConsistentHash.HTTPHeaderName, path+".consistent_hash.http_header_name"
	switch {
	case affinity != "HEADER_FIELD":
		l.onlyWith(headerPath, header != "", `session_affinity = "HEADER_FIELD"`)
	case header == "":
		l.errorf(headerPath, `is required by session_affinity = "HEADER_FIELD"`)
	case !isToken(header):
		l.errorf(headerPath, "%q is not the name of a header", header)
	}
}

// maxTable and maxRing are the bounds of spec.md §4.5 and §4.6.
const (
	maxTable = 5000011
	maxRing  = 8 << 20
)

func (l *loader) checkHashing(path string, s *Service, c *Config) {
	ring, table := path+".minimum_ring_size", path+".maglev_table_size"
	if l.bad[strings.TrimSuffix(path, "consistent_hash")+"locality_lb_policy"] {
		return
	}
	if s.LocalityLBPolicy == "RING_HASH" {
		l.checkRange(ring, int64(s.ConsistentHash.MinimumRingSize), 1, maxRing)
	} else {
		l.onlyWith(ring, l.has(ring), `locality_lb_policy = "RING_HASH"`)
	}
	if !isMaglev(s.LocalityLBPolicy) {
		l.onlyWith(table, l.has(table), `locality_lb_policy = "MAGLEV" or "WEIGHTED_MAGLEV"`)
		return
	}
	size := s.ConsistentHash.MaglevTableSize
	switch members := len(c.Endpoints(s)); {
	case size < 2 || size > maxTable:
		l.errorf(table, "%d is not from 2 to %d", size, maxTable)
	case !isPrime(size):
		l.errorf(table, "%d is not a prime; %d is", size, nextPrime(size))
	case size < members:
		l.errorf(table, "%d slots are too few for %d endpoints", size, members)
	}
}

func isPrime(n int) bool { return big.NewInt(int64(n)).ProbablyPrime(0) } // exact below 2⁶⁴

// nextPrime returns the smallest prime from n on. Below maxTable there is always
// one to be had, for maxTable is a prime itself.
func nextPrime(n int) int {
	for !isPrime(n) {
		n++
	}
	return n
}

// maxCookieTTL is two weeks (spec.md §14, T12).
const maxCookieTTL = Duration(1209600 * time.Second)

func (l *loader) checkCookie(path string, s *Service) {
	if l.bad[path+".session_affinity"] {
		return
	}
	cookie, cookiePath := s.ConsistentHash.HTTPCookie, path+".consistent_hash.http_cookie"
	ttlPath := path + ".affinity_cookie_ttl"
	if !hasCookie(s.SessionAffinity) {
		const cookies = `session_affinity = "HTTP_COOKIE" or "GENERATED_COOKIE"`
		l.onlyWith(ttlPath, s.AffinityCookieTTL != 0, cookies)
		l.onlyWith(cookiePath, l.has(cookiePath), cookies)
		return
	}
	if s.AffinityCookieTTL > maxCookieTTL {
		l.errorf(ttlPath, "must be at most 1209600s, which is two weeks")
	}
	if s.SessionAffinity == "GENERATED_COOKIE" && cookie.TTL > maxCookieTTL {
		l.errorf(cookiePath+".ttl", "must be at most 1209600s, which is two weeks")
	}
	l.checkWholeSeconds(ttlPath, s.AffinityCookieTTL)
	l.checkWholeSeconds(cookiePath+".ttl", cookie.TTL)
	if s.AffinityCookieTTL != 0 && cookie.TTL != s.AffinityCookieTTL {
		l.errorf(cookiePath+".ttl", "differs from affinity_cookie_ttl: one of them is enough")
	}
	if cookie.Name == "" {
		l.errorf(cookiePath+".name", `is required by session_affinity = "HTTP_COOKIE"`)
	} else {
		l.checkCookieName(cookiePath+".name", cookie.Name)
	}
	l.checkCookiePath(cookiePath+".path", cookie.Path)
	if cookie.Path != "/" && s.SessionAffinity == "GENERATED_COOKIE" {
		l.errorf(cookiePath+".path", `is always "/" with session_affinity = "GENERATED_COOKIE"`)
	}
}

// checkWholeSeconds is for what is sent as Max-Age.
func (l *loader) checkWholeSeconds(path string, d Duration) {
	if d%second != 0 {
		l.errorf(path, "cookies count whole seconds")
	}
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2, as the names
// of headers and cookies are.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isBareByte(c) && !strings.ContainsRune("!#$%&'*+.^`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
