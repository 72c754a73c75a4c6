package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// endpointTLS is what a service's traffic and its health checks know of its
// endpoints' TLS. It stays as it is while the file and those that it names do: with
// it stay sessions, idle connections, and the checks that are under way.
type endpointTLS struct {
	traffic *proxy.EndpointTLS // nil: none
	checks  *tls.Config        // nil: none, or any certificate will do
	reports *tls.Config        // of load, where they are asked for; nil: none
}

// endpointTLSOf makes what s asks for, unless old, of the running service, is that.
func endpointTLSOf(s *config.Service, old *service) (endpointTLS, error) {
	checks := s.Verifies() && s.HealthCheck != nil && s.HealthCheck.IsTLS()
	if old != nil && reflect.DeepEqual(old.spec.TLS, s.TLS) && old.spec.Protocol == s.Protocol && (old.tls.checks != nil) == checks {
		return old.tls, nil
	}
	t := new(proxy.EndpointTLS)
	if f := s.TLS; f != nil {
		t.Name, t.InsecureSkipVerify = f.Name, f.InsecureSkipVerify
		if len(f.CA) > 0 {
			t.Roots = x509.NewCertPool()
			if !t.Roots.AppendCertsFromPEM(f.CA) {
				return endpointTLS{}, fmt.Errorf("service %q: tls.ca_file: no certificate", s.Name)
			}
		}
		if len(f.Cert) > 0 {
			pair, err := tls.X509KeyPair(f.Cert, f.Key)
			if err != nil {
				return endpointTLS{}, fmt.Errorf("service %q: tls.cert_file: %w", s.Name, err)
			}
			t.Certificates = []tls.Certificate{pair}
		}
	}
	var e endpointTLS
	if checks {
		e.checks = t.For("")
	}
	if s.IsTLS() {
		e.reports = t.For("")
		e.traffic = t
	}
	if s.Protocol == "HTTPS" {
		t.NextProtos = []string{"http/1.1"}
	}
	return e, nil
}

// sharedTLS returns what checks of a service use that are new: what those of another
// service do that has the same tls, so that an endpoint of both is checked once.
func (a *App) sharedTLS(p *parts, spec *config.Service, old *service, made *tls.Config) *tls.Config {
	if made == nil || old != nil && old.tls.checks == made {
		return made
	}
	for i, s := range p.services {
		if c := p.secured[i].checks; c != nil && s != old && reflect.DeepEqual(p.cfg.Services[i].TLS, spec.TLS) {
			return c
		}
	}
	for _, s := range a.services {
		if s != old && s.tls.checks != nil && reflect.DeepEqual(s.spec.TLS, spec.TLS) {
			return s.tls.checks
		}
	}
	return made
}
