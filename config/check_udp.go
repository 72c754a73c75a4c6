package config

// checkUDPListener refuses what only connections have.
func (l *loader) checkUDPListener(path string, v *Listener) {
	if a, err := checkListenAddress(v.Listen); err == nil && a.path != "" {
		l.errorf(path+".listen", "a unix socket takes no UDP")
	}
	if v.Service == "" && len(v.Routes) > 0 {
		l.errorf(path+".service", "a UDP listener needs a service")
	}
	const connections = `another protocol than "UDP", which has no connections`
	l.onlyWith(path+".route", len(v.Routes) > 0, connections)
	for _, key := range []string{".trusted_proxies", ".client_timeout"} {
		l.onlyWith(path+key, l.has(path+key), connections)
	}
	for _, key := range []string{".keepalive_timeout", ".max_header_bytes"} {
		l.onlyWith(path+key, l.has(path+key), `protocol = "HTTP" or "HTTPS"`)
	}
}

// checkUDPService checks what is different without connections.
func (l *loader) checkUDPService(path string, s *Service, c *Config) {
	if s.Protocol != "UDP" || l.bad[path+".protocol"] {
		return
	}
	if !l.bad[path+".timeout"] && s.Timeout <= 0 {
		l.errorf(path+".timeout", "must be above 0: nothing but its silence ends a UDP session")
	}
	if h := s.HealthCheck; h != nil && h.Type == "" && !l.bad[path+".health_check.type"] {
		l.errorf(path+".health_check.type", "is required: UDP endpoints are checked by another protocol, and often at another port")
	}
	l.onlyWith(path+".port_name", s.PortName != "", `another protocol than "UDP", whose ports stand with the endpoints`)
	for _, e := range c.Endpoints(s) {
		if a, err := parseAddress(e.Address); err == nil && a.path != "" {
			l.errorf(path+".endpoints", "%q is a unix socket, which takes no UDP", e.Address)
		}
	}
}

// defaultTimeout is how long an exchange may take, or a connection or session be
// silent (spec.md §7.1 and, for UDP, §9.2).
func defaultTimeout(protocol string) Duration {
	if protocol == "UDP" {
		return minute
	}
	return 30 * second
}
