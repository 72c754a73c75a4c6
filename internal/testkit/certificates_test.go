package testkit_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestIssuedCertificatesAreTrustedByTheAuthoritysPool(t *testing.T) {
	c := testkit.NewCertificates(t)
	for name, use := range map[string]struct {
		pair  testkit.Pair
		usage x509.ExtKeyUsage
		host  string
	}{
		"server":   {c.Server("a.example.com", "127.0.0.1"), x509.ExtKeyUsageServerAuth, "127.0.0.1"},
		"wildcard": {c.Server("*.example.com"), x509.ExtKeyUsageServerAuth, "b.example.com"},
		"client":   {c.Client("somebody"), x509.ExtKeyUsageClientAuth, ""},
		"RSA":      {c.Issue(testkit.CertificateRequest{Names: []string{"c.example.com"}, RSA: true}), x509.ExtKeyUsageServerAuth, "c.example.com"},
	} {
		read, err := tls.LoadX509KeyPair(use.pair.CertFile, use.pair.KeyFile)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !read.Leaf.Equal(use.pair.TLS.Leaf) {
			t.Errorf("%s: the file has another certificate", name)
		}
		if _, err := read.Leaf.Verify(x509.VerifyOptions{
			Roots: c.Pool, DNSName: use.host, KeyUsages: []x509.ExtKeyUsage{use.usage},
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPairWrittenToAnothersFilesTakesItsPlace(t *testing.T) {
	c := testkit.NewCertificates(t)
	before, after := c.Server("a.example.com"), c.Server("a.example.com")
	after.WriteTo(t, before)
	read, err := tls.LoadX509KeyPair(before.CertFile, before.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if !read.Leaf.Equal(after.TLS.Leaf) {
		t.Error("the file has another certificate than was written to it")
	}
}
