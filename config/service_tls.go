package config

// A ServiceTLS is how the connections to endpoints are secured, with the
// protocols HTTPS and SSL, and those of health checks of these types. The files
// are read at the start and by every reload.
type ServiceTLS struct {
	// Whose certificate the endpoints must have: the name of a host, which they
	// are told (SNI), or an IP address. Default: the host in each endpoint's
	// address.
	Name string `toml:"server_name"`
	// A PEM file of the authorities that vouch for endpoints. Default: the system's.
	CAFile string `toml:"ca_file"`
	// A PEM file with the proxy's own certificate, then those between it and its
	// authority, for endpoints that ask for one. Needs key_file. Default: none.
	CertFile string `toml:"cert_file"`
	// A PEM file with the key of that certificate, not encrypted. Default: none.
	KeyFile string `toml:"key_file"`
	// Takes any certificate, from anybody who gets in between. For tests.
	// Default: `false`.
	InsecureSkipVerify bool `toml:"insecure_skip_verify"`

	// CA, Cert and Key are what the files hold: what was checked is what is used.
	CA   []byte `toml:"-"`
	Cert []byte `toml:"-"`
	Key  []byte `toml:"-"`
}

// IsHTTP reports whether the endpoints speak HTTP/1.1, be it inside TLS.
func (s *Service) IsHTTP() bool { return insideTLS(s.Protocol) == "HTTP" }

// IsTLS reports whether the endpoints speak TLS.
func (s *Service) IsTLS() bool { return insideTLS(s.Protocol) != s.Protocol }

// Verifies reports whether endpoints have to show a certificate that is good by s.TLS,
// which may be nil and stands for its defaults then: to traffic over TLS and to checks
// beside it. Of a service that speaks no TLS checks want it only where there is a tls:
// nothing else says whom to believe.
func (s *Service) Verifies() bool {
	return s.IsTLS() || s.TLS != nil && s.HealthCheck != nil && s.HealthCheck.IsTLS()
}

// TLSServiceOf returns a service that a listener can reach whose endpoints speak
// TLS, nil if there is none.
func (c *Config) TLSServiceOf(v *Listener) *Service {
	if s, _ := c.service(v.Service); s != nil && s.IsTLS() {
		return s
	}
	for _, r := range v.Routes {
		if s, _ := c.service(r.Service); s != nil && s.IsTLS() {
			return s
		}
	}
	return nil
}
