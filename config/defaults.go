package config

import (
	"runtime"
	"time"
)

const (
	second = Duration(time.Second)
	minute = Duration(time.Minute)
)

// The setDefaults methods fill a section in before its keys are read: numbers
// that may be 0, and do not depend on any other key.

func (c *Config) setDefaults() { c.Proxy.setDefaults() }

func (p *Proxy) setDefaults() { *p = Proxy{DrainTimeout: 30 * second} }

func (e *Endpoint) setDefaults() { *e = Endpoint{Weight: 1} }

func (u *URLRedirect) setDefaults() { *u = URLRedirect{RedirectResponseCode: 301} }

func (s *Service) setDefaults() {
	*s = Service{
		Timeout:            30 * second,
		ConnectTimeout:     5 * second,
		ConnectionDraining: ConnectionDraining{DrainingTimeout: 300 * second},
	}
}

func (r *Retry) setDefaults() { *r = Retry{NumRetries: 1} }

// orElse is for strings: an empty one is as if it were not in the file.
func orElse(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func defaultEngine() string {
	if runtime.GOOS == "linux" {
		return "loop"
	}
	return "stream"
}

// fillIn sets the other defaults, some of which depend on other keys or on what
// refers to a section. Words are in canonical spelling by now.
func (l *loader) fillIn(c *Config) {
	orElse(&c.Log.Level, "info")
	orElse(&c.Log.Format, "text")
	orElse(&c.Log.Access, "off")
	if c.Admin != nil {
		orElse(&c.Admin.Listen, "127.0.0.1:9900")
	}
	orElse(&c.Proxy.Engine, defaultEngine())
	c.fillRegions()
	for i := range c.Groups {
		l.fillGroup(at("group", i), &c.Groups[i])
	}
	for i := range c.Listeners {
		l.fillListener(at("listener", i), &c.Listeners[i])
	}
	protocols := c.protocolsByService()
	for i := range c.Services {
		s := &c.Services[i]
		orElse(&s.Protocol, protocols[s.Name])
		l.fillService(at("service", i), s)
		c.fillServerName(s)
	}
	for i := range c.Listeners {
		if v := &c.Listeners[i]; v.IsHTTP() {
			l.fillRoutes(at("listener", i)+".route", v.Routes, c)
		}
	}
}

// protocolsByService returns what the listeners that use a service speak. Where
// they differ, some listener will be told that it and the service do not match.
func (c *Config) protocolsByService() map[string]string {
	protocols := map[string]string{}
	for _, listener := range c.Listeners {
		protocols[listener.Service] = insideTLS(listener.Protocol)
		for _, route := range listener.Routes {
			protocols[route.Service] = insideTLS(listener.Protocol)
		}
	}
	return protocols
}

func fillEndpoints(endpoints []Endpoint) {
	for i := range endpoints {
		e := &endpoints[i]
		// Without a port the address is not a name yet: services may give it
		// different ports.
		if e.ID == "" && !lacksPort(e.Address) {
			e.ID = e.Address
		}
	}
}

func (l *loader) fillListener(path string, v *Listener) {
	orElse(&v.Name, v.Listen)
	orElse(&v.Protocol, "HTTP")
	if t := v.TLS; t != nil {
		orElse(&t.MinVersion, "1.2")
		orElse(&t.ClientAuth, "NONE")
	}
	if (v.IsHTTP() || v.IsTLS() || len(v.Routes) > 0) && !l.has(path+".client_timeout") {
		v.ClientTimeout = minute
	}
	l.fillProxyProtocol(path, v)
	if !v.IsHTTP() {
		return
	}
	if !l.has(path + ".keepalive_timeout") {
		v.KeepaliveTimeout = 610 * second
	}
	if !l.has(path + ".max_header_bytes") {
		v.MaxHeaderBytes = 64 << 10
	}
}

func (l *loader) fillRoutes(path string, routes []Route, c *Config) {
	for i := range routes {
		r := &routes[i]
		orElse(&r.PathPrefix, "/")
		if s, _ := c.service(r.Service); s != nil && !l.has(at(path, i)+".timeout") {
			r.Timeout = s.Timeout
		}
		if f := r.FixedResponse; f != nil && f.Body != "" {
			orElse(&f.ContentType, "text/plain; charset=utf-8")
		}
	}
}

func (l *loader) fillService(path string, s *Service) {
	fillEndpoints(s.Endpoints)
	orElse(&s.Protocol, "HTTP")
	if !l.has(path + ".timeout") {
		s.Timeout = defaultTimeout(s.Protocol)
	}
	orElse(&s.SessionAffinity, "NONE")
	if isNetwork(s.Protocol) {
		orElse(&s.Source, "PROXY")
	}
	if s.SessionAffinity != "NONE" && !s.IsStrong() {
		orElse(&s.LocalityLBPolicy, "MAGLEV")
	}
	orElse(&s.LocalityLBPolicy, "ROUND_ROBIN")
	if s.FailoverPolicy == nil {
		orElse(&s.Panic, defaultPanic(s.Protocol))
	}
	if z := s.NetworkPassThroughLBTrafficPolicy.ZonalAffinity; z != nil {
		orElse(&z.Spillover, "ZONAL_AFFINITY_DISABLED")
	}
	if s.IsHTTP() && !l.has(path+".keepalive_timeout") {
		s.KeepaliveTimeout = 600 * second
	}
	if s.sendsProxyProtocol() {
		orElse(&s.ProxyProtocol, "NONE")
	}
	l.fillCapacity(path, s)
	l.fillOutlier(path+".outlier_detection", s.OutlierDetection)
	l.fillTracking(path+".connection_tracking_policy", s)
	l.fillConsistentHash(path+".consistent_hash", s)
	fillStrongCookie(s)
	if s.Subsetting != nil {
		l.fillSubsetting(path+".subsetting", s.Subsetting)
	}
	if s.Utilization != nil {
		l.fillUtilization(path+".utilization", s)
	}
	if s.HealthCheck != nil {
		l.fillHealthCheck(path+".health_check", s)
	}
	l.fillBreakers(path, s)
	if r := s.Retry; r != nil && len(r.RetryOn) == 0 {
		r.RetryOn = []string{"connect-failure", "refused-stream"}
	}
}

// defaultPanic is closed for requests, which can be answered with 503, and open
// for connections.
func defaultPanic(protocol string) string {
	if isNetwork(protocol) {
		return "open"
	}
	return "closed"
}

func (l *loader) fillConsistentHash(path string, s *Service) {
	h := &s.ConsistentHash
	if s.LocalityLBPolicy == "RING_HASH" && !l.has(path+".minimum_ring_size") {
		h.MinimumRingSize = 1024
	}
	if isMaglev(s.LocalityLBPolicy) && !l.has(path+".maglev_table_size") {
		h.MaglevTableSize = 65537
	}
	if !hasCookie(s.SessionAffinity) {
		return
	}
	if s.SessionAffinity == "GENERATED_COOKIE" {
		orElse(&h.HTTPCookie.Name, "GCILB")
	}
	orElse(&h.HTTPCookie.Path, "/")
	if !l.has(path + ".http_cookie.ttl") {
		h.HTTPCookie.TTL = s.AffinityCookieTTL
	}
}

func isMaglev(policy string) bool { return policy == "MAGLEV" || policy == "WEIGHTED_MAGLEV" }

func hashes(policy string) bool { return policy == "RING_HASH" || isMaglev(policy) }

func hasCookie(affinity string) bool {
	return affinity == "GENERATED_COOKIE" || affinity == "HTTP_COOKIE"
}
