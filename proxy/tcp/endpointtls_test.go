package tcp_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

func TestAnSSLEndpointIsSentTheAddressesBeforeTLS(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	header := make(chan string, 1)
	addr := endpoint(t, func(c *net.TCPConn) {
		var line []byte
		for b := make([]byte, 1); !strings.HasSuffix(string(line), "\r\n"); line = append(line, b...) {
			if _, err := c.Read(b); err != nil {
				break
			}
		}
		header <- string(line)
		s := tls.Server(c, config)
		io.Copy(s, s)
		s.CloseWrite()
	})
	b := setup(t, stream, func(s *proxy.Service) {
		s.TLS = &proxy.EndpointTLS{Roots: certs.Pool}
		s.ProxyProtocol = proxy.ProxyProtocolV1
	}, addr)
	c := b.dial()
	io.WriteString(c, "hello")
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if h := <-header; !strings.HasPrefix(h, "PROXY TCP4 127.0.0.1 ") {
		t.Errorf("before TLS came %q", h)
	}
	b.wantCause("")
}

func TestATruncatedStreamIsReset(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	addr := endpoint(t, func(c *net.TCPConn) {
		s := tls.Server(c, config)
		s.Read(make([]byte, 1))
		io.WriteString(s, "half")
		c.CloseWrite() // without a close_notify
		io.Copy(io.Discard, c)
	})
	b := setup(t, stream, func(s *proxy.Service) { s.TLS = &proxy.EndpointTLS{Roots: certs.Pool} }, addr)
	c := b.dial()
	io.WriteString(c, "x")
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read to %v, want a reset", err)
	}
	b.wantCause("connection_terminated")
}

func TestAnEndpointWithoutAGoodCertificateIsPassedOver(t *testing.T) {
	certs, others := testkit.NewCertificates(t), testkit.NewCertificates(t)
	speaks := func(p testkit.Pair) string {
		config := &tls.Config{Certificates: []tls.Certificate{p.TLS}}
		return endpoint(t, func(c *net.TCPConn) {
			s := tls.Server(c, config)
			io.Copy(s, s)
			s.CloseWrite()
		})
	}
	b := setup(t, stream, func(s *proxy.Service) { s.TLS = &proxy.EndpointTLS{Roots: certs.Pool} },
		speaks(others.Server("127.0.0.1")), speaks(certs.Server("127.0.0.1")))
	for range 2 {
		c := b.dial()
		io.WriteString(c, "hello")
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	b.settled()
	if log := b.log.String(); !strings.Contains(log, "cause=tls_certificate_error") || !strings.Contains(log, "unknown authority") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}
