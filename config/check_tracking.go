package config

const (
	maxDraining = 3600 * second  // spec.md §9.1
	minIdle     = 600 * second   // spec.md §9.2
	maxIdle     = 57600 * second // 16 hours
)

// checkTracking checks what becomes of connections (spec.md §9.1, §9.2, §11.1).
func (l *loader) checkTracking(path string, s *Service) {
	l.checkSpan(path+".connection_draining.draining_timeout", s.ConnectionDraining.DrainingTimeout, 0, maxDraining)
	if l.bad[path+".protocol"] {
		return
	}
	reset := path + ".enable_tcp_reset"
	switch {
	case s.Protocol != "TCP" && s.Protocol != "SSL":
		l.onlyWith(reset, s.EnableTCPReset, `protocol = "TCP" or "SSL"`)
	case s.EnableTCPReset && s.Timeout == 0:
		l.errorf(reset, "would have no effect: with timeout = \"0s\" no connection is idle for too long")
	}
	path += ".connection_tracking_policy"
	if !isNetwork(s.Protocol) {
		l.onlyWith(path, l.has(path), `protocol = "TCP", "SSL" or "UDP"`)
		return
	}
	p, idle := s.ConnectionTrackingPolicy, path+".idle_timeout"
	if p.TrackingMode == "PER_SESSION" && p.ConnectionPersistenceOnUnhealthyBackends == "ALWAYS_PERSIST" {
		l.errorf(path+".connection_persistence_on_unhealthy_backends",
			`ALWAYS_PERSIST cannot be had with tracking_mode = "PER_SESSION"`)
	}
	switch {
	case s.tracksClients():
		l.checkSpan(idle, p.IdleTimeout, minIdle, maxIdle)
	case !l.bad[path+".tracking_mode"]:
		l.onlyWith(idle, l.has(idle),
			`tracking_mode = "PER_SESSION" and a session_affinity of CLIENT_IP, CLIENT_IP_PROTO or CLIENT_IP_NO_DESTINATION; `+
				"what ends a silent connection is the service's timeout")
	}
}

func (l *loader) checkSpan(path string, d, least, most Duration) {
	if d < least || d > most {
		l.errorf(path, "%v is not from %v to %v", d, least, most)
	}
}
