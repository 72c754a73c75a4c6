package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"

	"github.com/spillway-lb/spillway/balance"
)

// EndpointTLS says how connections to a service's endpoints are secured (spec.md
// §1.2). Its fields do not change once somebody uses it; a reload that changes
// them makes a new one, and connections made by the old one are not used again.
// It is safe for use by many goroutines.
type EndpointTLS struct {
	// Name is whose certificate endpoints must have, a host's name or an IP
	// address, and what they are told by SNI if it is a name. Default: the host in
	// the endpoint's address.
	Name string
	// Roots are the authorities that are trusted. nil: the system's.
	Roots *x509.CertPool
	// Certificates has the one that is shown to endpoints that ask for one.
	// Default: none.
	Certificates []tls.Certificate
	// InsecureSkipVerify takes any certificate, from anybody.
	InsecureSkipVerify bool
	// NextProtos is what ALPN offers, best first. Default: nothing.
	NextProtos []string

	configs sync.Map // *balance.Load to *endpointConfig
}

// An endpointConfig is what one endpoint's connections have in common, at one
// address: mostly the session that the next one resumes (RFC 8446 §2.2).
type endpointConfig struct {
	addr string
	tls  *tls.Config
}

// Config returns what connections to e are made with. It is not to be modified.
func (t *EndpointTLS) Config(e *balance.Endpoint) *tls.Config {
	if c, ok := t.configs.Load(e.Load); ok && c.(*endpointConfig).addr == e.Addr {
		return c.(*endpointConfig).tls
	}
	c := t.For(e.Addr)
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	t.configs.Store(e.Load, &endpointConfig{e.Addr, c})
	return c
}

// For returns what one connection to addr is made with, "host:port" or
// "unix:/path", without a session.
func (t *EndpointTLS) For(addr string) *tls.Config {
	name := t.Name
	if name == "" {
		name = hostOf(addr)
	}
	return &tls.Config{
		ServerName:         name,
		RootCAs:            t.Roots,
		Certificates:       t.Certificates,
		InsecureSkipVerify: t.InsecureSkipVerify,
		NextProtos:         t.NextProtos,
		MinVersion:         tls.VersionTLS12,
	}
}

// hostOf is the host in addr as certificates spell it: without a zone, which
// means something on this machine only, and without the root's dot.
func hostOf(addr string) string {
	if strings.HasPrefix(addr, "unix:") {
		return ""
	}
	host, _, _ := net.SplitHostPort(addr)
	host, _, _ = strings.Cut(host, "%")
	return strings.TrimSuffix(host, ".")
}

// Forget drops the sessions with endpoints that keep says are gone.
func (t *EndpointTLS) Forget(keep func(*balance.Load) bool) {
	t.configs.Range(func(load, _ any) bool {
		if !keep(load.(*balance.Load)) {
			t.configs.Delete(load)
		}
		return true
	})
}
