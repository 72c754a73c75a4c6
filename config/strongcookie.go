package config

// StrongCookie is the cookie of STRONG_COOKIE_AFFINITY: it names the client's endpoint,
// sealed so that clients can neither read nor write it. The endpoint's id is what
// counts: one that keeps it keeps its sessions, at another address as well.
type StrongCookie struct {
	// The cookie's name. Services that a client reaches under one host need names, or
	// paths, of their own. Default: `SPILLWAY`.
	Name string `toml:"name"`
	// The paths below which clients send the cookie; requests elsewhere have no
	// affinity. Default: `/`.
	Path string `toml:"path"`
	// How long the cookie is good for, by the client's clock and by ours: whole seconds
	// up to 1209600s (two weeks). It is issued anew past half of that. 0 is until the
	// browser closes, and two weeks at most. Default: `0s`.
	TTL Duration `toml:"ttl"`
	// Whether a session whose endpoint cannot be had, or is not there any more, is
	// refused with 503; else it goes on at another endpoint. Default: `false`.
	Strict bool `toml:"strict"`
	// Base64 of 32 random bytes each, as `openssl rand -base64 32` writes it: the first
	// seals, and all open. The proxies of a fleet need the same ones; `${NAME}` keeps
	// them out of the file. Default: a random one at every start, and then sessions
	// are lost with the process.
	Keys []string `toml:"keys"`
}

const strongAffinity = "STRONG_COOKIE_AFFINITY"

// IsStrong reports whether clients are bound to endpoints by name.
func (s *Service) IsStrong() bool { return s.SessionAffinity == strongAffinity }

// KeepsSessions reports whether those who are bound to an endpoint stay while it is
// drained.
func (s *Service) KeepsSessions() bool {
	keep := s.ConnectionDraining.KeepSessions
	return s.IsStrong() && (keep == nil || *keep)
}

func fillStrongCookie(s *Service) {
	if !s.IsStrong() {
		return
	}
	if s.StrongSessionAffinityCookie == nil {
		s.StrongSessionAffinityCookie = new(StrongCookie)
	}
	orElse(&s.StrongSessionAffinityCookie.Name, "SPILLWAY")
	orElse(&s.StrongSessionAffinityCookie.Path, "/")
	if s.ConnectionDraining.KeepSessions == nil {
		keep := true
		s.ConnectionDraining.KeepSessions = &keep
	}
}
