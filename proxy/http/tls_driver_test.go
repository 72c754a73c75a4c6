package http_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	nethttp "net/http"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

// TLS in front of the Stream driver changes nothing of what HTTP means.
func init() {
	drivers = append(drivers, driver{name: "tls", choose: noLoops, pools: 1, tls: true})
}

// identities are what proxies and endpoints show, all the same: keys and certificates
// take longer to make than most tests.
var identities struct {
	made     sync.Once
	roots    *x509.CertPool
	proxy    *tlsfront.Material
	endpoint tls.Certificate
}

func makeIdentities(t *testing.T) {
	t.Helper()
	identities.made.Do(func() {
		certificates := testkit.NewCertificates(t)
		pair := certificates.Server("proxy.example.com")
		material, err := tlsfront.Read(tlsfront.Settings{
			Certificates:     []tlsfront.Files{{CertFile: pair.CertFile, KeyFile: pair.KeyFile}},
			HandshakeTimeout: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		identities.roots, identities.proxy = certificates.Pool, material
		identities.endpoint = certificates.Server("127.0.0.1").TLS
	})
}

// front puts TLS before the engine, and lets the test's clients speak it.
func (b *bench) front(e proxy.Engine) proxy.Engine {
	b.t.Helper()
	makeIdentities(b.t)
	f := tlsfront.New(tlsfront.Options{Listener: "test", Engine: e, HTTP: true, Log: testkit.Logger(b.log)})
	f.Use(identities.proxy)
	b.speak = &tls.Config{RootCAs: identities.roots, ServerName: "proxy.example.com", NextProtos: []string{"http/1.1"}}
	return f
}

// scheme is that of the URLs of the proxy.
func (d driver) scheme() string {
	if d.tls {
		return "https"
	}
	return "http"
}

// url is that of a path at the proxy.
func (b *bench) url(path string) string { return b.driver.scheme() + "://" + b.addr + path }

// transport is net/http's, for clients of the proxy.
func (b *bench) transport() *nethttp.Transport {
	return &nethttp.Transport{
		DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig: b.speak,
	}
}

// connect connects to the proxy.
func (b *bench) connect() (*clientConn, error) { return b.connectBy("tcp") }

func (b *bench) connectBy(network string) (*clientConn, error) {
	c, err := net.Dial(network, b.addr)
	if err != nil {
		return nil, err
	}
	socket, _ := c.(*net.TCPConn)
	if b.speak == nil {
		return &clientConn{Conn: c, socket: socket}, nil
	}
	// Unlike package tls's, this end tells an end from a cut.
	over := netio.TLSClient(netio.Wrap(c), b.speak)
	over.ReadBy(time.Now().Add(time.Minute))
	if err := over.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	over.ReadBy(time.Time{})
	return &clientConn{Conn: over, socket: socket}, nil
}

// A clientConn is a client's connection, with what tests do to its socket.
type clientConn struct {
	net.Conn              // what is said on it
	socket   *net.TCPConn // nil: it is another kind of socket
	resets   bool
}

func (c *clientConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (c *clientConn) SetReadBuffer(n int) error { return c.socket.SetReadBuffer(n) }

func (c *clientConn) SetLinger(seconds int) error {
	c.resets = seconds == 0
	return c.socket.SetLinger(seconds)
}

// Close says good-bye, unless it is to be a reset.
func (c *clientConn) Close() error {
	if c.resets {
		return c.socket.Close()
	}
	return c.Conn.Close()
}
