package tlsfront

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Material is what was read from the files that settings name. It never changes.
type Material struct {
	settings    Settings
	pairs       []*pair
	authorities *authorities // nil: clients show no certificate
}

// pair is one certificate with its key.
type pair struct {
	files Files
	cert  *tls.Certificate
	seen  snapshot // of the files when they were last read, well or not
}

// authorities are who vouches for clients.
type authorities struct {
	file string
	pem  string
	pool *x509.CertPool
	seen snapshot
}

// Read reads the files. The error has everything that is wrong with them.
func Read(s Settings) (*Material, error) {
	if len(s.Certificates) == 0 {
		return nil, errors.New("tlsfront: there is no certificate")
	}
	m := &Material{settings: s}
	var errs []error
	for _, files := range s.Certificates {
		p, err := readPair(files)
		m.pairs = append(m.pairs, p)
		errs = append(errs, err)
	}
	if s.ClientAuth != tls.NoClientCert {
		var err error
		m.authorities, err = readAuthorities(s.ClientCAFile)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// readPair returns a pair without a certificate where there is an error.
func readPair(files Files) (*pair, error) {
	p := &pair{files: files, seen: look(files.CertFile, files.KeyFile)}
	cert, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return p, fmt.Errorf("certificate %s with key %s: %w", files.CertFile, files.KeyFile, err)
	}
	p.cert = &cert
	return p, nil
}

func readAuthorities(file string) (*authorities, error) {
	a := &authorities{file: file, seen: look(file), pool: x509.NewCertPool()}
	pem, err := os.ReadFile(file)
	if err != nil {
		return a, fmt.Errorf("client CA: %w", err)
	}
	if a.pem = string(pem); !a.pool.AppendCertsFromPEM(pem) {
		return a, fmt.Errorf("client CA %s: it has no certificate", file)
	}
	return a, nil
}

// again reads what has changed since. What cannot be read stays as it was, and
// is not tried again before it changes once more. It returns m itself where no
// file has changed.
func (m *Material) again() (*Material, []error) {
	next := &Material{settings: m.settings, pairs: slices.Clone(m.pairs), authorities: m.authorities}
	var errs []error
	changed := false
	for i, old := range m.pairs {
		if old.seen.equal(look(old.files.CertFile, old.files.KeyFile)) {
			continue
		}
		p, err := readPair(old.files)
		if err != nil {
			p.cert = old.cert
			errs = append(errs, err)
		}
		next.pairs[i], changed = p, true
	}
	if old := m.authorities; old != nil && !old.seen.equal(look(old.file)) {
		a, err := readAuthorities(old.file)
		if err != nil {
			a.pem, a.pool = old.pem, old.pool
			errs = append(errs, err)
		}
		next.authorities, changed = a, true
	}
	if !changed {
		return m, nil
	}
	return next, errs
}

// trusts reports whether the rules for client certificates are the same.
func (m *Material) trusts(other *Material) bool {
	if m.settings.ClientAuth != other.settings.ClientAuth {
		return false
	}
	return m.authorities == nil || m.authorities.pem == other.authorities.pem
}

func (m *Material) certificates() []*tls.Certificate {
	var all []*tls.Certificate
	for _, p := range m.pairs {
		all = append(all, p.cert)
	}
	return all
}

// snapshot is what tells a file from its successor; nil for one that is not there.
type snapshot []os.FileInfo

func look(files ...string) snapshot {
	s := make(snapshot, len(files))
	for i, file := range files {
		if info, err := os.Stat(file); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s snapshot) equal(other snapshot) bool {
	return slices.EqualFunc(s, other, func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
	})
}

// A Certificate is what Engine.Certificates tells of one.
type Certificate struct {
	CertFile string
	NotAfter time.Time
}
