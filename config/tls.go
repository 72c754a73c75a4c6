package config

// A ListenerTLS is what the protocols HTTPS and SSL need beyond HTTP and TCP. The
// files are read at the start, by a reload even where the configuration is the
// same, and when they have changed.
type ListenerTLS struct {
	// Certificates to choose from by the name that the client asks for (SNI): one
	// with the name, else one with "*." and the parent, else the first. Of several
	// for a name the first counts that the client can use, so there can be one with
	// an ECDSA and one with an RSA key. At least one. Required.
	Certificates []Certificate `toml:"certificates"`
	// The oldest version of TLS that is spoken: 1.2 or 1.3. Default: `1.2`.
	MinVersion string `toml:"min_version"`
	// Whether clients show a certificate: NONE, REQUEST (one that is shown must be
	// good) or REQUIRE. Default: `NONE`.
	ClientAuth string `toml:"client_auth"`
	// A PEM file of the authorities that vouch for clients. Required with REQUEST
	// and REQUIRE.
	ClientCAFile string `toml:"client_ca_file"`
}

// A Certificate is a pair of files. Relative paths start in the directory that
// the proxy runs in.
type Certificate struct {
	// A PEM file: the listener's certificate, then those between it and its
	// authority. Required.
	CertFile string `toml:"cert_file"`
	// A PEM file with the certificate's key, not encrypted. Required.
	KeyFile string `toml:"key_file"`
}

// IsHTTP reports whether clients speak HTTP, be it inside TLS.
func (v *Listener) IsHTTP() bool { return insideTLS(v.Protocol) == "HTTP" }

// IsTLS reports whether clients speak TLS to the proxy.
func (v *Listener) IsTLS() bool { return insideTLS(v.Protocol) != v.Protocol }

// insideTLS is what a protocol is without TLS.
func insideTLS(protocol string) string {
	switch protocol {
	case "HTTPS":
		return "HTTP"
	case "SSL":
		return "TCP"
	}
	return protocol
}
