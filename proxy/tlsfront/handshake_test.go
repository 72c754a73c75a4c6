package tlsfront_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

func TestVersionsAreSpokenFromTheLeastOn(t *testing.T) {
	b := start(t, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := b.client("a.example.com")
		c.MinVersion, c.MaxVersion = version, version
		if s := b.must(c); s.Version != version {
			t.Errorf("asked for %x, got %x", version, s.Version)
		}
	}
	old := b.client("a.example.com")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := b.ask(old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	b.failed(tlsfront.Refused, 1)

	strict := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, _ *testkit.Certificates) {
		s.MinVersion = tls.VersionTLS13
	})
	c := strict.client("a.example.com")
	c.MaxVersion = tls.VersionTLS12
	if _, err := strict.ask(c); err == nil {
		t.Error("TLS 1.2 is spoken where 1.3 is the least")
	}
}

func TestWeakCiphersAreRefused(t *testing.T) {
	b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, c *testkit.Certificates) {
		s.Certificates = files(c.Server("a.example.com"), c.Issue(testkit.CertificateRequest{Names: []string{"a.example.com"}, RSA: true}))
	})
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue // there is no choice
		}
		c := b.client("a.example.com")
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
		_, err := b.ask(c)
		good := strings.Contains(suite.Name, "ECDHE") && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"))
		if good != (err == nil) {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
}

func TestALPNIsForHTTPOnly(t *testing.T) {
	web := start(t, func(o *tlsfront.Options, _ *tlsfront.Settings, _ *testkit.Certificates) { o.HTTP = true })
	c := web.client("a.example.com")
	c.NextProtos = []string{"h2", "http/1.1"}
	if s := web.must(c); s.NegotiatedProtocol != "http/1.1" {
		t.Errorf("agreed on %q", s.NegotiatedProtocol)
	}
	c.NextProtos = []string{"h2"}
	if _, err := web.ask(c); err == nil {
		t.Error("HTTP/2 is promised, which nobody speaks")
	}
	web.must(web.client("a.example.com")) // who does not negotiate is served as well

	raw := start(t, nil)
	c = raw.client("a.example.com")
	c.NextProtos = []string{"h2"}
	if s := raw.must(c); s.NegotiatedProtocol != "" {
		t.Errorf("agreed on %q", s.NegotiatedProtocol)
	}
}

func TestClientCertificates(t *testing.T) {
	for name, tc := range map[string]struct {
		auth              tls.ClientAuthType
		good, none, wrong bool
	}{
		"NONE":    {tls.NoClientCert, true, true, true},
		"REQUEST": {tls.VerifyClientCertIfGiven, true, true, false},
		"REQUIRE": {tls.RequireAndVerifyClientCert, true, false, false},
	} {
		b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, c *testkit.Certificates) {
			s.ClientAuth, s.ClientCAFile = tc.auth, c.CAFile
		})
		others := testkit.NewCertificates(t)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for kind, client := range map[string]struct {
				pair *testkit.Pair
				want bool
			}{
				"good":         {pointer(b.certificates.Client("me")), tc.good},
				"no":           {nil, tc.none},
				"another CA's": {pointer(others.Client("me")), tc.wrong},
				"a server's":   {pointer(b.certificates.Server("me")), tc.wrong},
				"an expired":   {pointer(b.certificates.Issue(testkit.CertificateRequest{Names: []string{"me"}, Client: true, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})), tc.wrong},
			} {
				c := b.client("a.example.com")
				c.MaxVersion = version
				if client.pair != nil { // though the authorities that are asked for are others
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client.pair.TLS, nil }
				}
				if _, err := b.ask(c); (err == nil) != client.want {
					t.Errorf("%s, %s certificate, %s: %v", name, kind, tls.VersionName(version), err)
				}
			}
		}
		if tc.auth != tls.NoClientCert {
			b.failed(tlsfront.ClientCertificate, 6)
		}
	}
}

// A client of TLS 1.3 has sent its request by the time that its certificate is
// looked at. That is not read any more, and the kernel would answer with a reset,
// which can overtake what we say.
func TestARefusedClientIsToldWhy(t *testing.T) {
	b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, c *testkit.Certificates) {
		s.ClientAuth, s.ClientCAFile = tls.RequireAndVerifyClientCert, c.CAFile
	})
	for range 20 {
		below := b.dial()
		c := tls.Client(below, b.client("a.example.com"))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		for range 10 { // as a long request
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Fatalf("read to %v, want what was wrong", err)
		}
		if _, err := below.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("below TLS there is %v, want an end", err)
		}
		c.Close()
	}
	b.failed(tlsfront.Refused, 20)
}

func pointer[T any](v T) *T { return &v }

func TestAClientsRefusalIsCounted(t *testing.T) {
	b := start(t, nil)
	c := b.client("a.example.com")
	c.RootCAs = testkit.NewCertificates(t).Pool
	if _, err := b.ask(c); err == nil {
		t.Fatal("trusted a stranger")
	}
	b.failed(tlsfront.ClientAlert, 1)
	b.stop() // it is counted before it is logged
	if log := b.log.String(); !strings.Contains(log, "TLS handshake failed") || !strings.Contains(log, "cause=client_alert") {
		t.Errorf("the log has %q", log)
	}
}

func TestPlainHTTPIsToldToSpeakTLS(t *testing.T) {
	web := start(t, func(o *tlsfront.Options, _ *tlsfront.Settings, _ *testkit.Certificates) { o.HTTP = true })
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + strings.Repeat("x", 40000)} {
		c := web.dial()
		io.WriteString(c, request)
		got, err := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 400 Bad Request\r\n") || !strings.HasSuffix(string(got), "came as HTTP.\n") || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
	}
	web.failed(tlsfront.NotTLS, 2)

	raw := start(t, nil)
	c := raw.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, _ := io.ReadAll(c); bytes.Contains(got, []byte("HTTP")) {
		t.Errorf("who does not speak HTTP answers %q", got)
	}
}

// hello is a client's first flight.
func hello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go tls.Client(near, &tls.Config{ServerName: "a.example.com"}).Handshake()
	buf := make([]byte, 64<<10)
	n, err := far.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestWhatIsNoHandshakeIsEndedAndHurtsNobody(t *testing.T) {
	b := start(t, nil)
	good := hello(t)
	huge := append([]byte{22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff}, make([]byte, 16<<10)...) // it says 16 MiB will come
	for name, bytes := range map[string][]byte{
		"noise":                 {0xff, 0, 0xff, 0, 0xff, 0, 0xff},
		"an alert":              {21, 3, 3, 0, 2, 2, 40},
		"application data":      {23, 3, 3, 0, 2, 0, 0},
		"a huge record":         {22, 3, 1, 0xff, 0xff},
		"a huge ClientHello":    huge,
		"an empty handshake":    {22, 3, 1, 0, 0},
		"a ClientHello, broken": append(append([]byte{}, good[:60]...), make([]byte, len(good)-60)...),
		"SSLv2":                 {0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10},
	} {
		c := b.dial()
		c.Write(bytes)
		c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
		b.must(b.client("a.example.com"))
	}
}

func TestHalfAHelloIsClosedByItsClient(t *testing.T) {
	b := start(t, nil)
	c := b.dial()
	c.Write(hello(t)[:100])
	c.Close()
	b.failed(tlsfront.Closed, 1)
}

// Whoever connects and leaves without a word was looking whether somebody is
// there, as a TCP health check does.
func TestAVisitorWithoutAWordIsNoFailure(t *testing.T) {
	b := start(t, nil)
	b.dial().Close()
	b.must(b.client("a.example.com"))
	b.stop()
	for cause, name := range tlsfront.Causes {
		if n := b.engine.Counters().Failed[cause].Load(); n > 0 {
			t.Errorf("%d failures by %s", n, name)
		}
	}
	if b.log.String() != "" {
		t.Errorf("the log has %q", b.log.String())
	}
}

func TestASlowHandshakeRunsOutOfTime(t *testing.T) {
	for name, send := range map[string]func(net.Conn, []byte){
		"silent": func(net.Conn, []byte) {},
		"half":   func(c net.Conn, hello []byte) { c.Write(hello[:len(hello)/2]) },
		"trickles": func(c net.Conn, hello []byte) {
			go func() {
				for i := range hello {
					if _, err := c.Write(hello[i : i+1]); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
		},
		"stops after the ServerHello": func(c net.Conn, hello []byte) { c.Write(hello) },
	} {
		b := start(t, func(_ *tlsfront.Options, s *tlsfront.Settings, _ *testkit.Certificates) {
			s.HandshakeTimeout = 200 * time.Millisecond
		})
		c := b.dial()
		send(c, hello(t))
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		b.failed(tlsfront.Timeout, 1)
	}
}

func TestADrainLetsAHandshakeComeToItsEnd(t *testing.T) {
	b := start(t, nil)
	silent, begun := b.dial(), b.dial()
	first := hello(t)
	begun.Write(first[:50])
	testkit.Eventually(t, func() bool { return b.engine.Handshaking() == 2 })
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	if _, err := io.ReadAll(silent); err != nil { // closed after a moment
		t.Error(err)
	}
	begun.Write(first[50:])
	if n, err := begun.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the handshake did not go on: %v", err)
	}
	begun.Close()
	<-stopped
}

func TestAnAbortCutsHandshakes(t *testing.T) {
	b := start(t, nil)
	silent, begun := b.dial(), b.dial()
	begun.Write(hello(t)[:50])
	testkit.Eventually(t, func() bool { return b.engine.Handshaking() == 2 })
	b.engine.Abort()
	for _, c := range []net.Conn{silent, begun} {
		if _, err := io.ReadAll(c); err == nil {
			t.Error("an abort looks like an end")
		}
	}
	b.stop()
}
