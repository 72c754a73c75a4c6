package tlsfront

import (
	"crypto/tls"
	"slices"
	"time"
)

// Settings is what a reload may change.
type Settings struct {
	// Certificates are chosen from by name; the first is for who gives none. At
	// least one.
	Certificates []Files
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13. 0: 1.2.
	MinVersion uint16
	// ClientAuth says whether clients show a certificate: NoClientCert,
	// VerifyClientCertIfGiven or RequireAndVerifyClientCert. Default: no.
	ClientAuth tls.ClientAuthType
	// ClientCAFile has the authorities, in PEM, that vouch for clients. Required
	// where clients may show a certificate.
	ClientCAFile string
	// HandshakeTimeout is how long a client may take from its connection to the
	// end of the handshake; 0: for ever.
	HandshakeTimeout time.Duration
}

// Files is where a certificate and its key are: a chain, the server's own
// certificate first, and an unencrypted key, both PEM.
type Files struct{ CertFile, KeyFile string }

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption.
// Package tls has an order of its own, and no choice for 1.3.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// config is what package tls is told. protocols are for ALPN.
func (m *Material) config(protocols []string) *tls.Config {
	c := &tls.Config{
		GetCertificate: newNames(m.certificates()).choose,
		MinVersion:     max(m.settings.MinVersion, tls.VersionTLS12),
		CipherSuites:   suites,
		NextProtos:     protocols,
		ClientAuth:     m.settings.ClientAuth,
		// Small records get the first bytes of a page to a client a round trip
		// earlier, and cost a system call each.
		DynamicRecordSizingDisabled: true,
	}
	if m.authorities != nil {
		c.ClientCAs = m.authorities.pool
	}
	if c.MinVersion < tls.VersionTLS13 {
		c.GetConfigForClient = withoutTickets(c.Clone())
	}
	return c
}

// withoutTickets is for tls.Config.GetConfigForClient: those who do not speak TLS
// 1.3 get no session tickets. In 1.2 the key of a ticket opens all that is said in
// the session, so it would cost forward secrecy; and package tls promises a week.
func withoutTickets(c *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.SessionTicketsDisabled = true
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil // as they are
		}
		return c, nil
	}
}
