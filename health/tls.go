package health

import (
	"crypto/tls"
	"net"
	"strings"
)

// handshake makes conn, a connection to target, one over TLS. A host that is an IP address must be in the certificate
// as one.
func handshake(conn net.Conn, c Check, target string) (*tls.Conn, error) {
	config := &tls.Config{InsecureSkipVerify: true} // nobody has said whom to believe
	if c.TLS != nil {
		config = c.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName = hostOf(target)
		}
	}
	config.NextProtos = nil
	switch {
	case c.Type == TypeHTTP2, c.asksGRPC():
		config.NextProtos = []string{"h2"}
	case c.asksHTTP():
		config.NextProtos = []string{"http/1.1"}
	}
	config.ClientSessionCache = nil // a check looks at the certificate each time
	secured := tls.Client(conn, config)
	if err := secured.Handshake(); err != nil {
		return nil, handshakeError{err}
	}
	return secured, nil
}

// hostOf is the host in target as certificates spell it: without a zone, and without the root's dot.
func hostOf(target string) string {
	host, _, _ := net.SplitHostPort(target)
	host, _, _ = strings.Cut(host, "%")
	return strings.TrimSuffix(host, ".")
}

// handshakeError is what crypto/tls has against an endpoint, or what the connection says meanwhile.
type handshakeError struct{ err error }

func (e handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e handshakeError) Unwrap() error { return e.err }
