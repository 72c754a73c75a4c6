package tlsfront_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

func TestTheNameChoosesTheCertificate(t *testing.T) {
	var first, exact, wild testkit.Pair
	b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, c *testkit.Certificates) {
		first, exact, wild = c.Server("first.example.org"), c.Server("a.example.com"), c.Server("*.example.com", "example.net")
		s.Certificates = files(first, wild, exact)
	})
	for name, want := range map[string]testkit.Pair{
		"a.example.com":     exact, // though the wildcard comes first
		"A.EXAMPLE.com":     exact,
		"b.example.com":     wild,
		"example.net":       wild,
		"x.b.example.com":   first, // a wildcard is for one label
		"example.com":       first,
		"first.example.org": first,
		"other.example.org": first,
		"":                  first,
		"127.0.0.1":         first, // package tls sends none
	} {
		s := b.must(&tls.Config{ServerName: name, InsecureSkipVerify: true})
		if !s.PeerCertificates[0].Equal(want.TLS.Leaf) {
			t.Errorf("%q: got the certificate of %s", name, s.PeerCertificates[0].Subject.CommonName)
		}
	}
}

func TestTheClientGetsAKeyThatItKnows(t *testing.T) {
	b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, c *testkit.Certificates) {
		s.Certificates = files(c.Server("a.example.com"), c.Issue(testkit.CertificateRequest{Names: []string{"a.example.com"}, RSA: true}))
	})
	for suite, want := range map[uint16]x509.PublicKeyAlgorithm{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: x509.ECDSA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   x509.RSA,
	} {
		for _, name := range []string{"a.example.com", "unknown.example.com", ""} {
			s := b.must(&tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
			if got := s.PeerCertificates[0].PublicKeyAlgorithm; got != want {
				t.Errorf("%s for %q: got a key of %s", tls.CipherSuiteName(suite), name, got)
			}
		}
	}
}

func TestSessionsAreResumedAfterAReload(t *testing.T) {
	b := start(t, nil)
	c := b.client("a.example.com")
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		if s := b.must(c); s.DidResume != (i > 0) {
			t.Errorf("time %d: resumed %t", i, s.DidResume)
		}
		b.use()
	}
	if n := b.engine.Counters(); n.Full.Load() != 1 || n.Resumed.Load() != 2 {
		t.Errorf("counted %d full, %d resumed", n.Full.Load(), n.Resumed.Load())
	}
}

func TestTLS12HasNoTickets(t *testing.T) {
	b := start(t, nil)
	c := b.client("a.example.com")
	c.MaxVersion, c.ClientSessionCache = tls.VersionTLS12, tls.NewLRUClientSessionCache(1)
	for range 2 {
		if b.must(c).DidResume {
			t.Error("a session was resumed")
		}
	}
}

func TestReadSaysEverythingThatIsWrong(t *testing.T) {
	c := testkit.NewCertificates(t)
	a, b := c.Server("a.example.com"), c.Server("a.example.com")
	_, err := tlsfront.Read(tlsfront.Settings{
		Certificates: []tlsfront.Files{{CertFile: a.CertFile, KeyFile: b.KeyFile}, {CertFile: "nowhere.pem", KeyFile: a.KeyFile}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAFile: a.KeyFile,
	})
	for _, want := range []string{a.CertFile + " with key " + b.KeyFile + ": tls: private key does not match", "nowhere.pem", "client CA " + a.KeyFile + ": it has no certificate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := tlsfront.Read(tlsfront.Settings{}); err == nil {
		t.Error("no certificate is no error")
	}
}

// watched runs an engine that nobody connects to, in a bubble of time.
func watched(t *testing.T, f func(e *tlsfront.Engine, log *testkit.Buffer, pair testkit.Pair, c *testkit.Certificates)) {
	c := testkit.NewCertificates(t)
	pair := c.Server("a.example.com")
	synctest.Test(t, func(t *testing.T) {
		log := new(testkit.Buffer)
		e := tlsfront.New(tlsfront.Options{Listener: "test", Engine: echo{}, Log: testkit.Logger(log)})
		m, err := tlsfront.Read(tlsfront.Settings{
			Certificates: files(pair), ClientAuth: tls.VerifyClientCertIfGiven, ClientCAFile: c.CAFile,
		})
		if err != nil {
			t.Fatal(err)
		}
		e.Use(m)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		f(e, log, pair, c)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// aLook is longer than it takes until the files are looked at.
const aLook = 11 * time.Second

func TestARenewedCertificateIsNoticed(t *testing.T) {
	watched(t, func(e *tlsfront.Engine, log *testkit.Buffer, pair testkit.Pair, c *testkit.Certificates) {
		renewed := c.Issue(testkit.CertificateRequest{Names: []string{"a.example.com"}, NotAfter: time.Now().AddDate(50, 0, 0)})
		renewed.WriteTo(t, pair)
		time.Sleep(aLook)
		if got := e.Certificates()[0].NotAfter; !got.Equal(renewed.TLS.Leaf.NotAfter) {
			t.Errorf("in use is one until %s", got)
		}
		if n := e.Counters().Read.Load(); n != 1 || !strings.Contains(log.String(), "certificate has changed") {
			t.Errorf("%d were read, the log has %q", n, log)
		}
		time.Sleep(time.Hour)
		if n := e.Counters().Read.Load(); n != 1 {
			t.Errorf("%d were read, where one has changed", n)
		}
	})
}

// Nothing replaces two files at once. While one of them is the old one they do not
// go together, which is no reason to serve nobody, or to give up.
func TestACertificateThatComesBeforeItsKeyWaitsForIt(t *testing.T) {
	watched(t, func(e *tlsfront.Engine, log *testkit.Buffer, pair testkit.Pair, c *testkit.Certificates) {
		was := e.Certificates()[0].NotAfter
		renewed := c.Issue(testkit.CertificateRequest{Names: []string{"a.example.com"}, NotAfter: time.Now().AddDate(50, 0, 0)})
		first, then := renewed, renewed
		first.KeyFile, then.CertFile = pair.KeyFile, pair.CertFile
		first.WriteTo(t, pair)
		time.Sleep(aLook)
		if got := e.Certificates()[0].NotAfter; !got.Equal(was) || !strings.Contains(log.String(), "private key does not match") {
			t.Errorf("in use is one until %s, the log has %q", got, log)
		}
		then.WriteTo(t, pair)
		time.Sleep(aLook)
		if got := e.Certificates()[0].NotAfter; !got.Equal(renewed.TLS.Leaf.NotAfter) {
			t.Errorf("in use is one until %s, with the key there", got)
		}
		if n := e.Counters(); n.Read.Load() != 1 || n.ReadFailed.Load() != 1 {
			t.Errorf("%d were read, %d failed", n.Read.Load(), n.ReadFailed.Load())
		}
	})
}

func TestAFileThatCannotBeUsedKeepsTheOldOne(t *testing.T) {
	watched(t, func(e *tlsfront.Engine, log *testkit.Buffer, pair testkit.Pair, c *testkit.Certificates) {
		was := e.Certificates()[0].NotAfter
		key, err := os.ReadFile(pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"", "nonsense"} {
			os.WriteFile(pair.KeyFile, []byte(bad), 0o600)
			os.WriteFile(c.CAFile, []byte(bad), 0o600)
			time.Sleep(aLook)
		}
		os.Remove(pair.KeyFile)
		time.Sleep(time.Hour) // it is told once for each change
		if n := e.Counters().ReadFailed.Load(); n != 5 || strings.Count(log.String(), "the old one stays in use") != 5 {
			t.Errorf("%d failed, the log has %q", n, log)
		}
		if got := e.Certificates()[0].NotAfter; !got.Equal(was) {
			t.Errorf("in use is one until %s", got)
		}
		os.WriteFile(pair.KeyFile, key, 0o600)
		time.Sleep(aLook)
		if n := e.Counters().Read.Load(); n != 1 {
			t.Errorf("%d were read once the key was back", n)
		}
	})
}
