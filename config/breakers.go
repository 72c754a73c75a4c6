package config

// CircuitBreakers bound what a service asks of its endpoints at once. They are of one
// proxy process: two proxies with a limit of 100 ask 200. Requests and connections
// that come while everything is taken wait, first come first served; in a queue that
// has not been empty for a tenth of pending_timeout, or 100ms if that is longer, the
// newest goes first. Who cannot wait gets a 503 with Retry-After, a TCP connection is
// reset. A limit of 0 is none.
type CircuitBreakers struct {
	// The most connections to all endpoints together, for HTTP idle ones included, for
	// UDP sessions. Requests and connections beyond wait; UDP clients beyond are not
	// served. Default: no limit.
	MaxConnections int `toml:"max_connections,omitzero"`
	// How many requests or connections may wait, for max_connections or while each
	// endpoint is at its max. Not for UDP. Default: no limit.
	MaxPendingRequests int `toml:"max_pending_requests,omitzero"`
	// The most requests under way; those beyond are refused at once. HTTP only.
	// Default: no limit.
	MaxRequests int `toml:"max_requests,omitzero"`
	// After how many requests a connection to an endpoint is closed; 1 is no keep-alive.
	// HTTP only. Default: no limit.
	MaxRequestsPerConnection int `toml:"max_requests_per_connection,omitzero"`
	// The most requests that are being retried, at least 1; those beyond are not tried
	// again. It takes the place of the retry budget. HTTP only. Default: `1`.
	MaxRetries int `toml:"max_retries,omitzero"`
	// How long a request or connection may wait, above 0, and for HTTP at most the
	// timeout. Not for UDP. Default: 5s, or for HTTP the timeout if that is shorter.
	PendingTimeout Duration `toml:"pending_timeout,omitzero"`
}

const defaultPending = 5 * second

func (l *loader) fillBreakers(path string, s *Service) {
	b := s.CircuitBreakers
	if b == nil {
		return
	}
	path += ".circuit_breakers"
	if s.IsHTTP() && !l.has(path+".max_retries") {
		b.MaxRetries = 1
	}
	if s.Protocol != "UDP" && !l.has(path+".pending_timeout") {
		b.PendingTimeout = defaultPending
		if s.IsHTTP() && s.Timeout > 0 {
			b.PendingTimeout = min(b.PendingTimeout, s.Timeout)
		}
	}
}

// maxBreaker is more than any proxy has of anything.
const maxBreaker = 1 << 31

// checkBreakers checks circuit breakers (spec.md §10.3).
func (l *loader) checkBreakers(path string, s *Service, c *Config) {
	b := s.CircuitBreakers
	if b == nil || l.bad[path+".protocol"] {
		return
	}
	section := path + ".circuit_breakers"
	for key, n := range map[string]int{
		".max_connections": b.MaxConnections, ".max_pending_requests": b.MaxPendingRequests, ".max_requests": b.MaxRequests,
		".max_requests_per_connection": b.MaxRequestsPerConnection,
	} {
		l.checkRange(section+key, int64(n), 0, maxBreaker)
	}
	if s.IsHTTP() {
		l.checkRange(section+".max_retries", int64(b.MaxRetries), 1, maxBreaker)
	} else {
		for _, key := range []string{".max_requests", ".max_requests_per_connection", ".max_retries"} {
			l.onlyWith(section+key, l.has(section+key), `protocol = "HTTP" or "HTTPS"`)
		}
	}
	l.checkPending(section, s, c)
}

// checkPending checks who may wait, and how long.
func (l *loader) checkPending(section string, s *Service, c *Config) {
	pending, timeout := section+".max_pending_requests", section+".pending_timeout"
	for _, key := range []string{pending, timeout} {
		switch {
		case s.Protocol == "UDP":
			l.onlyWith(key, l.has(key), `another protocol than "UDP", whose datagrams wait for nobody`)
		case !c.canWait(s):
			l.onlyWith(key, l.has(key), "max_connections, or endpoints with a max: else there is nothing to wait for")
		case l.has(key) && c.refusesFirst(s):
			l.warnf(key, "nobody will wait: max_requests = %d is not above max_connections, and those beyond it are refused at once", s.CircuitBreakers.MaxRequests)
		}
	}
	if s.Protocol == "UDP" || l.bad[timeout] {
		return
	}
	l.checkPositive(timeout, s.CircuitBreakers.PendingTimeout)
	if longest := c.longestTimeout(s); s.IsHTTP() && longest > 0 && s.CircuitBreakers.PendingTimeout > longest {
		l.errorf(timeout, "%v would have no effect: the timeout is %v", s.CircuitBreakers.PendingTimeout, longest)
	}
}

// canWait reports whether there is a limit that requests wait for.
func (c *Config) canWait(s *Service) bool {
	return s.CircuitBreakers.MaxConnections > 0 || c.mayHaveMax(s)
}

// refusesFirst reports whether requests reach max_requests before any limit that they
// would wait for. A file that writes out every limit of another proxy has that easily:
// it is no mistake that does harm.
func (c *Config) refusesFirst(s *Service) bool {
	b := s.CircuitBreakers
	return s.IsHTTP() && b.MaxRequests > 0 && b.MaxRequests <= b.MaxConnections && !c.mayHaveMax(s)
}

// mayHaveMax reports whether an endpoint has a max. What discovery finds may have one.
func (c *Config) mayHaveMax(s *Service) bool {
	for _, e := range c.Endpoints(s) {
		if e.Max > 0 {
			return true
		}
	}
	for _, backend := range s.Backends {
		if g, _ := c.group(backend.Group); g == nil || g.Finds() {
			return true
		}
	}
	return false
}
