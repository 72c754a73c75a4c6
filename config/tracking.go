package config

// ConnectionDraining says how requests and connections under way end when their
// endpoint is to have none.
type ConnectionDraining struct {
	// How long they may go on when their endpoint is drained or leaves the file; 0
	// cuts them at once. Up to 3600s. Where services share a group the longest of
	// theirs counts. Default: `300s`.
	DrainingTimeout Duration `toml:"draining_timeout"`
	// Whether clients that are bound to an endpoint stay with it while it, or its group,
	// is drained: until their cookies expire, which are not issued anew then, or the
	// operator says DOWN. No timeout cuts what they do there. Else they go on at another
	// endpoint at once. STRONG_COOKIE_AFFINITY only. Default: `true`.
	KeepSessions *bool `toml:"keep_sessions"`
}

// ConnectionTrackingPolicy says which connections stay with an endpoint. TCP, SSL
// and UDP only.
type ConnectionTrackingPolicy struct {
	// What belongs together: PER_CONNECTION, a connection, or a UDP client's
	// address and port; PER_SESSION, all that session_affinity takes for one
	// client: as long as anything of it is there, and for idle_timeout after, new
	// connections of it go to the same endpoint, if that takes new ones. Default: `PER_CONNECTION`.
	TrackingMode string `toml:"tracking_mode"`
	// What happens when an endpoint becomes unhealthy, or is DOWN, while others
	// are well: ALWAYS_PERSIST, its connections go on, not with PER_SESSION;
	// NEVER_PERSIST, TCP connections are reset and UDP clients go elsewhere;
	// DEFAULT_FOR_PROTOCOL, TCP goes on and UDP does not, and with PER_SESSION TCP
	// goes on only where session_affinity is NONE or CLIENT_IP_PORT_PROTO.
	// Default: `DEFAULT_FOR_PROTOCOL`.
	ConnectionPersistenceOnUnhealthyBackends string `toml:"connection_persistence_on_unhealthy_backends"`
	// How long a session lasts without traffic, 600s to 57600s. For PER_SESSION
	// with an affinity of CLIENT_IP, CLIENT_IP_PROTO or CLIENT_IP_NO_DESTINATION
	// only; a connection by itself lasts for the service's timeout.
	// Default: `600s`.
	IdleTimeout Duration `toml:"idle_timeout,omitzero"`
}

// tracksClients reports whether the service's sessions are clients, not
// connections.
func (s *Service) tracksClients() bool {
	if s.ConnectionTrackingPolicy.TrackingMode != "PER_SESSION" {
		return false
	}
	switch s.SessionAffinity {
	case "CLIENT_IP", "CLIENT_IP_PROTO", "CLIENT_IP_NO_DESTINATION":
		return true
	}
	return false
}

func (l *loader) fillTracking(path string, s *Service) {
	if !isNetwork(s.Protocol) {
		return
	}
	p := &s.ConnectionTrackingPolicy
	orElse(&p.TrackingMode, "PER_CONNECTION")
	orElse(&p.ConnectionPersistenceOnUnhealthyBackends, "DEFAULT_FOR_PROTOCOL")
	if s.tracksClients() && !l.has(path+".idle_timeout") {
		p.IdleTimeout = 600 * second
	}
}
