package config

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// checkServiceTLS checks the service's tls, and reads its files.
func (l *loader) checkServiceTLS(path string, s *Service, c *Config) {
	checks := s.HealthCheck != nil && s.HealthCheck.IsTLS()
	key, t := path+".tls", s.TLS
	switch {
	case l.bad[path+".protocol"] || l.bad[path+".health_check.type"]:
		return
	case !s.IsTLS() && !checks:
		l.onlyWith(key, t != nil, `protocol = "HTTPS" or "SSL", or with a health check over TLS`)
		return
	case !s.Verifies():
		return
	case t == nil:
		t = new(ServiceTLS)
	}
	l.checkServerName(key+".server_name", t.Name)
	if t.InsecureSkipVerify {
		l.warnf(key+".insecure_skip_verify", "whoever gets between the proxy and the endpoints of %q can read and change everything", s.Name)
		l.onlyWith(key+".ca_file", t.CAFile != "", "insecure_skip_verify = false")
	} else if t.Name == "" {
		c.members(path, s, func(m member) {
			if a, err := checkEndpointAddress(m.Address); err == nil && a.path != "" {
				l.errorf(m.path, "%s has no host: tls.server_name says whose certificate it must have", m.Address)
			}
		})
	}
	if t.CAFile != "" {
		data, ok := l.readFile(key+".ca_file", t.CAFile)
		if ok && l.checkChain(key+".ca_file", t.CAFile, data) {
			t.CA = data
		}
	}
	l.checkOwnCertificate(key, t)
}

// checkServerName accepts what a certificate can be for.
func (l *loader) checkServerName(path, name string) {
	a, err := parseAddress(name)
	switch {
	case err != nil:
		l.errorf(path, "%v", err)
	case a.path != "" || a.port >= 0:
		l.errorf(path, "%q is not just the name of a host, or an IP address", name)
	}
}

// checkOwnCertificate reads what endpoints are shown.
func (l *loader) checkOwnCertificate(path string, t *ServiceTLS) {
	certFile, keyFile := path+".cert_file", path+".key_file"
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return
	case t.CertFile == "":
		l.errorf(certFile, "is required with key_file")
		return
	case t.KeyFile == "":
		l.errorf(keyFile, "is required with cert_file")
		return
	}
	cert, certGood := l.readFile(certFile, t.CertFile)
	key, keyGood := l.readFile(keyFile, t.KeyFile)
	certGood = certGood && l.checkChain(certFile, t.CertFile, cert)
	keyGood = keyGood && l.checkKey(keyFile, t.KeyFile, key)
	if !certGood || !keyGood {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		l.errorf(keyFile, "%s does not go with %s: %s", t.KeyFile, t.CertFile, plainTLS(err))
		return
	}
	l.checkOwnLeaf(certFile, pair.Leaf, time.Now())
	t.Cert, t.Key = cert, key
}

// checkOwnLeaf warns of a certificate that endpoints will not like.
func (l *loader) checkOwnLeaf(path string, c *x509.Certificate, now time.Time) {
	l.checkDates(path, c, now)
	for _, use := range c.ExtKeyUsage {
		if use == x509.ExtKeyUsageClientAuth || use == x509.ExtKeyUsageAny {
			return
		}
	}
	if len(c.ExtKeyUsage) > 0 {
		l.warnf(path, "the certificate is not one for clients: endpoints refuse it")
	}
}
