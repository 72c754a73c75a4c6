package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates is a certificate authority for the length of a test. What it
// issues is in PEM files of the test's temporary directory, too.
type Certificates struct {
	// Dir is the directory of all files.
	Dir string
	// CAFile has the authority's own certificate, and Pool is made of it.
	CAFile string
	Pool   *x509.CertPool

	t      testing.TB
	ca     *x509.Certificate
	key    crypto.Signer
	issued int64
}

// A Pair is a certificate with its key: as files, and ready to use.
type Pair struct {
	CertFile, KeyFile string
	TLS               tls.Certificate
}

// A CertificateRequest is what Issue takes. The zero value asks for a server's
// certificate for nobody, with an ECDSA P-256 key, good for a day.
type CertificateRequest struct {
	// Names are host names, wildcards such as "*.example.com", or IP
	// addresses. The first is the subject's common name as well.
	Names  []string
	Client bool // for a client, instead of a server
	RSA    bool // with an RSA key of 2048 bits
	// NotBefore and NotAfter bound its life. Default: an hour ago, tomorrow.
	NotBefore, NotAfter time.Time
}

// NewCertificates makes an authority.
func NewCertificates(t testing.TB) *Certificates {
	t.Helper()
	c := &Certificates{t: t, Dir: t.TempDir(), key: newKey(t, false)}
	template := &x509.Certificate{
		SerialNumber:          c.serial(),
		Subject:               pkix.Name{CommonName: "a test's authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(0, 0, 1),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	c.ca = template
	der := c.sign(template, c.key.Public())
	c.CAFile = c.writePEM("ca.pem", "CERTIFICATE", der)
	c.ca = parsed(t, der)
	c.Pool = x509.NewCertPool()
	c.Pool.AddCert(c.ca)
	return c
}

// Server issues a certificate for servers of these names, with an ECDSA key.
func (c *Certificates) Server(names ...string) Pair {
	c.t.Helper()
	return c.Issue(CertificateRequest{Names: names})
}

// Client issues a certificate for a client of this name, with an ECDSA key.
func (c *Certificates) Client(name string) Pair {
	c.t.Helper()
	return c.Issue(CertificateRequest{Names: []string{name}, Client: true})
}

// Issue issues any certificate. Each is in files of its own; see Pair.WriteTo for
// putting one in another's place.
func (c *Certificates) Issue(r CertificateRequest) Pair {
	c.t.Helper()
	key := newKey(c.t, r.RSA)
	template := &x509.Certificate{
		SerialNumber: c.serial(),
		NotBefore:    r.NotBefore,
		NotAfter:     r.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if r.Client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if r.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if r.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(0, 0, 1)
	}
	for _, name := range r.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if len(r.Names) > 0 {
		template.Subject.CommonName = r.Names[0]
	}
	der := c.sign(template, key.Public())
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return Pair{
		CertFile: c.writePEM(fmt.Sprintf("%d.pem", c.issued), "CERTIFICATE", der),
		KeyFile:  c.writePEM(fmt.Sprintf("%d.key", c.issued), "PRIVATE KEY", pkcs8),
		TLS:      tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed(c.t, der)},
	}
}

// WriteTo puts the pair in another's files, each in one step, as a program that
// renews certificates does.
func (p Pair) WriteTo(t testing.TB, other Pair) {
	t.Helper()
	for from, to := range map[string]string{p.CertFile: other.CertFile, p.KeyFile: other.KeyFile} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(to+".new", to); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *Certificates) serial() *big.Int {
	c.issued++
	return big.NewInt(c.issued)
}

// sign returns the DER of a certificate that the authority signs.
func (c *Certificates) sign(template *x509.Certificate, of crypto.PublicKey) []byte {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, c.ca, of, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

// writePEM returns the path of what it has written. Nobody else can read it: a
// key's file is one of them.
func (c *Certificates) writePEM(name, kind string, der []byte) string {
	c.t.Helper()
	path := filepath.Join(c.Dir, name)
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func newKey(t testing.TB, useRSA bool) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if useRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parsed(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
