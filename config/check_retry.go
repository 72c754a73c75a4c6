package config

// maxRetries keeps a slip from turning one request into a flood.
const maxRetries = 100

func (l *loader) checkRetry(path string, s *Service, c *Config) {
	r := s.Retry
	if !s.IsHTTP() {
		l.onlyWith(path, !l.bad[path+".protocol"], `protocol = "HTTP" or "HTTPS"`)
		return
	}
	l.checkRange(path+".num_retries", int64(r.NumRetries), 0, maxRetries)
	seen := map[string]string{}
	for i, condition := range r.RetryOn {
		key := at(path+".retry_on", i)
		if l.bad[key] {
			continue
		}
		if first, twice := seen[condition]; twice {
			l.errorf(key, "%q is there already%s", condition, l.onLine(first))
		}
		seen[condition] = key
	}
	l.checkPerTryTimeout(path+".per_try_timeout", s, c)
}

// checkPerTryTimeout wants it to end a try before the timeout ends everything.
func (l *loader) checkPerTryTimeout(path string, s *Service, c *Config) {
	if !l.has(path) || l.bad[path] {
		return
	}
	l.checkPositive(path, s.Retry.PerTryTimeout)
	if longest := c.longestTimeout(s); longest > 0 && s.Retry.PerTryTimeout > longest {
		l.errorf(path, "%v would have no effect: the timeout is %v", s.Retry.PerTryTimeout, longest)
	}
}

// longestTimeout is the longest that a request to the service may take; 0: for
// ever.
func (c *Config) longestTimeout(s *Service) Duration {
	longest := s.Timeout
	for _, listener := range c.Listeners {
		for _, route := range listener.Routes {
			if longest != 0 && route.Service == s.Name && (route.Timeout == 0 || route.Timeout > longest) {
				longest = route.Timeout
			}
		}
	}
	return longest
}
