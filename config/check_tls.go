package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// checkListenerTLS checks [listener.tls], and reads its files.
func (l *loader) checkListenerTLS(path string, v *Listener) {
	switch {
	case l.bad[path+".protocol"]:
		return
	case !v.IsTLS():
		l.onlyWith(path+".tls", v.TLS != nil, `protocol = "HTTPS" or "SSL"`)
		return
	case v.TLS == nil:
		l.errorf(path+".tls", `is required with protocol = %q: certificates = [{ cert_file = "…", key_file = "…" }]`, v.Protocol)
		return
	}
	path += ".tls"
	if len(v.TLS.Certificates) == 0 {
		l.errorf(path+".certificates", "needs at least one")
	}
	var good []*x509.Certificate
	for i := range v.TLS.Certificates {
		key := at(path+".certificates", i)
		if leaf := l.checkCertificate(key, &v.TLS.Certificates[i]); leaf != nil {
			if len(leaf.DNSNames) > 0 && isShadowed(leaf, good) {
				l.warnf(key+".cert_file", "no client gets it: certificates before it have all of its names, and the same kind of key")
			}
			good = append(good, leaf)
		}
	}
	l.checkClientAuth(path, v.TLS)
}

func (l *loader) checkClientAuth(path string, t *ListenerTLS) {
	file := path + ".client_ca_file"
	switch {
	case l.bad[path+".client_auth"]:
	case t.ClientAuth == "NONE":
		l.onlyWith(file, t.ClientCAFile != "", `client_auth = "REQUEST" or "REQUIRE"`)
	case t.ClientCAFile == "":
		l.errorf(file, "is required with client_auth = %q", t.ClientAuth)
	default:
		data, ok := l.readFile(file, t.ClientCAFile)
		if ok && !x509.NewCertPool().AppendCertsFromPEM(data) {
			l.errorf(file, "%s has no certificate", t.ClientCAFile)
		}
	}
}

// checkCertificate returns the certificate, nil if it cannot be used.
func (l *loader) checkCertificate(path string, c *Certificate) *x509.Certificate {
	certFile, keyFile := path+".cert_file", path+".key_file"
	cert, certGood := l.readFile(certFile, c.CertFile)
	key, keyGood := l.readFile(keyFile, c.KeyFile)
	certGood = certGood && l.checkChain(certFile, c.CertFile, cert)
	keyGood = keyGood && l.checkKey(keyFile, c.KeyFile, key)
	if !certGood || !keyGood {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		l.errorf(keyFile, "%s does not go with %s: %s", c.KeyFile, c.CertFile, plainTLS(err))
		return nil
	}
	l.checkLeaf(certFile, pair.Leaf, time.Now())
	return pair.Leaf
}

// readFile reads a small file that is required.
func (l *loader) readFile(path, name string) ([]byte, bool) {
	if l.bad[path] {
		return nil, false
	}
	if name == "" {
		l.errorf(path, "is required")
		return nil, false
	}
	data, err := readSmall(name)
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err // which system call it was helps nobody
	}
	if err != nil {
		l.errorf(path, "%s: %v", name, err)
	}
	return data, err == nil
}

// readSmall reads a file of a size that keys and certificates have. What is no
// file, such as a pipe, might never end.
func readSmall(name string) ([]byte, error) {
	const most = 1 << 20
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if len(data) > most {
		return nil, errors.New("is larger than 1 MiB")
	}
	return data, err
}

// checkChain checks that there are certificates, and nothing else that looks like
// one.
func (l *loader) checkChain(path, name string, data []byte) bool {
	n := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		n++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			l.errorf(path, "%s: certificate %d: %s", name, n, plainTLS(err))
			return false
		}
	}
	if n == 0 {
		l.errorf(path, "%s has no certificate in PEM form", name)
	}
	return n > 0
}

func (l *loader) checkKey(path, name string, data []byte) bool {
	block, rest := pem.Decode(data)
	for block != nil && !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		block, rest = pem.Decode(rest)
	}
	switch {
	case block == nil:
		l.errorf(path, "%s has no private key in PEM form", name)
		return false
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		l.errorf(path, "%s is encrypted: nobody is there to ask for the password", name)
		return false
	}
	if info, err := os.Stat(name); err == nil && runtime.GOOS != "windows" && info.Mode()&0o004 != 0 {
		l.warnf(path, "everybody on this machine can read %s: chmod 600", name)
	}
	return true
}

// checkLeaf warns of a certificate that clients will not like. It is no error: a
// proxy that does not start, or reload, would serve nobody.
func (l *loader) checkLeaf(path string, c *x509.Certificate, now time.Time) {
	l.checkDates(path, c, now)
	if len(c.DNSNames)+len(c.IPAddresses) == 0 {
		l.warnf(path, "the certificate has no names (SAN): clients refuse it")
	}
	meantFor := func(use x509.ExtKeyUsage) bool { return slices.Contains(c.ExtKeyUsage, use) }
	if len(c.ExtKeyUsage) > 0 && !meantFor(x509.ExtKeyUsageServerAuth) && !meantFor(x509.ExtKeyUsageAny) {
		l.warnf(path, "the certificate is not one for servers: clients refuse it")
	}
}

// checkDates warns of a certificate that is not good now.
func (l *loader) checkDates(path string, c *x509.Certificate, now time.Time) {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(c.NotAfter):
		l.warnf(path, "the certificate has expired: it was good until %s", c.NotAfter.UTC().Format(day))
	case now.Before(c.NotBefore):
		l.warnf(path, "the certificate is not good before %s", c.NotBefore.UTC().Format(day))
	}
}

// isShadowed reports whether earlier certificates have all names of c, and the
// same kind of key.
func isShadowed(c *x509.Certificate, earlier []*x509.Certificate) bool {
	for _, name := range c.DNSNames {
		if !slices.ContainsFunc(earlier, func(e *x509.Certificate) bool {
			same := func(n string) bool { return strings.EqualFold(n, name) }
			return e.PublicKeyAlgorithm == c.PublicKeyAlgorithm && slices.ContainsFunc(e.DNSNames, same)
		}) {
			return false
		}
	}
	return true
}

// plainTLS is what package tls or x509 says, without saying who does.
func plainTLS(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "x509: ")
}
