package secure_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// serving runs an endpoint that serves each connection with f.
func serving(t testing.TB, f func(net.Conn)) *balance.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return &balance.Endpoint{Addr: l.Addr().String(), Load: new(balance.Load)}
}

// speaking runs an endpoint that echoes over TLS.
func speaking(t testing.TB, config *tls.Config) *balance.Endpoint {
	return serving(t, func(c net.Conn) {
		s := tls.Server(c, config)
		if s.Handshake() == nil {
			io.Copy(s, s)
			s.CloseWrite()
		}
	})
}

func dial(t testing.TB, e *balance.Endpoint, s *proxy.EndpointTLS) (*netio.Conn, error) {
	c, err := secure.Dial(t.Context(), secure.Options{Endpoint: e, TLS: s, Timeout: 20 * time.Second})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// echoes fails the test unless what is said on c comes back.
func echoes(t testing.TB, c *netio.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 5)
	if _, err := io.ReadFull(c, p); err != nil || string(p) != "hello" {
		t.Fatalf("read %q, %v", p, err)
	}
}

func TestACertificateMustBeGood(t *testing.T) {
	certs, others := testkit.NewCertificates(t), testkit.NewCertificates(t)
	past := testkit.CertificateRequest{Names: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}
	for _, c := range []struct {
		name string
		pair testkit.Pair
		tls  *proxy.EndpointTLS
		want string // in the error
	}{
		{"the endpoint's address", certs.Server("127.0.0.1"), &proxy.EndpointTLS{Roots: certs.Pool}, ""},
		{"the name of the file", certs.Server("a.example.com"), &proxy.EndpointTLS{Roots: certs.Pool, Name: "a.example.com"}, ""},
		{"a wildcard", certs.Server("*.example.com"), &proxy.EndpointTLS{Roots: certs.Pool, Name: "a.example.com"}, ""},
		{"expired", certs.Issue(past), &proxy.EndpointTLS{Roots: certs.Pool}, "expired"},
		{"another name", certs.Server("b.example.com"), &proxy.EndpointTLS{Roots: certs.Pool, Name: "a.example.com"}, "not a.example.com"},
		{"another address", certs.Server("127.0.0.2"), &proxy.EndpointTLS{Roots: certs.Pool}, "not 127.0.0.1"},
		{"an authority that nobody knows", others.Server("127.0.0.1"), &proxy.EndpointTLS{Roots: certs.Pool}, "unknown authority"},
		{"not one of the system's", certs.Server("127.0.0.1"), &proxy.EndpointTLS{}, "unknown authority"},
		{"a client's", certs.Client("127.0.0.1"), &proxy.EndpointTLS{Roots: certs.Pool}, "incompatible key usage"},
		{"nobody asked", others.Issue(past), &proxy.EndpointTLS{InsecureSkipVerify: true}, ""},
	} {
		for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				e := speaking(t, &tls.Config{Certificates: []tls.Certificate{c.pair.TLS}, MinVersion: version, MaxVersion: version})
				conn, err := dial(t, e, c.tls)
				if c.want != "" {
					if err == nil || secure.Cause(err) != secure.CertificateError || !strings.Contains(err.Error(), c.want) {
						t.Fatalf("error %v (%s), want %q", err, secure.Cause(err), c.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				echoes(t, conn)
			})
		}
	}
}

func TestServerNameIsSentWhereItIsAName(t *testing.T) {
	certs := testkit.NewCertificates(t)
	pair := certs.Server("a.example.com", "127.0.0.1", "localhost")
	names := make(chan string, 1)
	e := speaking(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		names <- h.ServerName
		return &pair.TLS, nil
	}})
	_, port, _ := net.SplitHostPort(e.Addr)
	for _, c := range []struct{ addr, name, want string }{
		{"127.0.0.1", "", ""},
		{"127.0.0.1", "a.example.com", "a.example.com"},
		{"localhost", "", "localhost"},
		{"localhost", "127.0.0.1", ""},
	} {
		e := &balance.Endpoint{Addr: net.JoinHostPort(c.addr, port), Load: new(balance.Load)}
		conn, err := dial(t, e, &proxy.EndpointTLS{Roots: certs.Pool, Name: c.name})
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		echoes(t, conn)
		if got := <-names; got != c.want {
			t.Errorf("%s as %q: SNI is %q, want %q", c.addr, c.name, got, c.want)
		}
	}
}

func TestAClientsCertificateIsShownToThoseWhoAsk(t *testing.T) {
	certs := testkit.NewCertificates(t)
	server, client, stranger := certs.Server("127.0.0.1").TLS, certs.Client("proxy").TLS, testkit.NewCertificates(t).Client("proxy").TLS
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		t.Run(name, func(t *testing.T) {
			e := serving(t, func(c net.Conn) {
				s := tls.Server(c, &tls.Config{
					Certificates: []tls.Certificate{server}, MaxVersion: version,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: certs.Pool,
				})
				if s.Handshake() != nil {
					io.Copy(io.Discard, c) // a close with bytes unread would be a reset, which may overtake the alert
					return
				}
				io.Copy(s, s)
			})
			conn, err := dial(t, e, &proxy.EndpointTLS{Roots: certs.Pool, Certificates: []tls.Certificate{client}})
			if err != nil {
				t.Fatal(err)
			}
			echoes(t, conn)
			for _, shown := range [][]tls.Certificate{nil, {stranger}} {
				conn, err := dial(t, e, &proxy.EndpointTLS{Roots: certs.Pool, Certificates: shown})
				if version == tls.VersionTLS13 {
					if err != nil {
						t.Fatal(err)
					}
					conn.Write([]byte("hello"))
					if _, err = conn.Read(make([]byte, 1)); !secure.Refused(err) {
						t.Errorf("the first read: %v, want a refusal", err)
					}
				}
				if secure.Cause(err) != secure.AlertReceived {
					t.Errorf("error %v (%s), want an alert", err, secure.Cause(err))
				}
			}
		})
	}
}

// hears reads the first record, in however many pieces it comes: a close with bytes
// unread would be a reset.
func hears(c net.Conn) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err == nil {
		io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint16(head[3:])))
	}
}

func TestWhatIsNoTLSIsAProtocolError(t *testing.T) {
	for _, c := range []struct {
		name string
		e    *balance.Endpoint
		want string
	}{
		{"HTTP", serving(t, func(c net.Conn) { hears(c); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), "does not look like a TLS handshake"},
		{"an end", serving(t, hears), "the endpoint closed the connection"},
		{"a reset", serving(t, func(c net.Conn) { c.Read(make([]byte, 1)); c.(*net.TCPConn).SetLinger(0) }), "reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dial(t, c.e, &proxy.EndpointTLS{})
			if secure.Cause(err) != secure.ProtocolError || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v (%s), want %q", err, secure.Cause(err), c.want)
			}
		})
	}
}

func TestAHandshakeTakesNoLongerThanAConnectMay(t *testing.T) {
	silent := serving(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	_, err := secure.Dial(t.Context(), secure.Options{Endpoint: silent, TLS: new(proxy.EndpointTLS), Timeout: 20 * time.Millisecond})
	if secure.DialCause(err) != secure.TimedOut || secure.Cause(err) != "" {
		t.Errorf("error %v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := secure.Dial(ctx, secure.Options{Endpoint: silent, TLS: new(proxy.EndpointTLS)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestTheNextConnectionResumesTheSession(t *testing.T) {
	certs := testkit.NewCertificates(t)
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{certs.Server("a").TLS}, MaxVersion: version}
			one, two := speaking(t, config), speaking(t, config)
			s := &proxy.EndpointTLS{Roots: certs.Pool, Name: "a"}
			resumed := func(e *balance.Endpoint, s *proxy.EndpointTLS) bool {
				c, err := dial(t, e, s)
				if err != nil {
					t.Fatal(err)
				}
				echoes(t, c)
				return c.TLS().ConnectionState().DidResume
			}
			for i, c := range []struct {
				e    *balance.Endpoint
				s    *proxy.EndpointTLS
				want bool
			}{
				{one, s, false}, {one, s, true}, {one, s, true},
				{two, s, false}, {two, s, true}, {one, s, true},
				{one, &proxy.EndpointTLS{Roots: certs.Pool, Name: "a"}, false},
			} {
				if got := resumed(c.e, c.s); got != c.want {
					t.Errorf("connection %d: resumed %v, want %v", i, got, c.want)
				}
			}
			s.Forget(func(l *balance.Load) bool { return l == two.Load })
			if resumed(one, s) {
				t.Error("resumed with an endpoint that was forgotten")
			}
			if !resumed(two, s) {
				t.Error("forgot an endpoint that is there")
			}
		})
	}
}

func TestWhatGoesFirstIsNotEncrypted(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	const first = "PROXY UNKNOWN\r\n"
	got := make(chan string, 1)
	e := serving(t, func(c net.Conn) {
		p := make([]byte, len(first))
		io.ReadFull(c, p)
		got <- string(p)
		s := tls.Server(c, config)
		io.Copy(s, s)
	})
	c, err := secure.Dial(t.Context(), secure.Options{
		Endpoint: e, TLS: &proxy.EndpointTLS{Roots: certs.Pool}, Timeout: 20 * time.Second, First: []byte(first),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echoes(t, c)
	if s := <-got; s != first {
		t.Errorf("the endpoint got %q first", s)
	}
}

func Example() {
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	e := &balance.Endpoint{Addr: web.Listener.Addr().String(), Load: new(balance.Load)}

	c, err := secure.Dial(context.Background(), secure.Options{
		Endpoint: e,
		TLS:      &proxy.EndpointTLS{Roots: roots, NextProtos: []string{"http/1.1"}},
		Timeout:  5 * time.Second,
	})
	if err != nil {
		fmt.Println(secure.Cause(err), err)
		return
	}
	defer c.Close()
	fmt.Println(c.TLS().ConnectionState().NegotiatedProtocol)
	// Output: http/1.1
}
