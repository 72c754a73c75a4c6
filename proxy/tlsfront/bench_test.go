package tlsfront_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

// A bench is a listener with TLS in front of an echo, for one test.
type bench struct {
	t            *testing.T
	certificates *testkit.Certificates
	settings     tlsfront.Settings
	engine       *tlsfront.Engine
	addr         string
	log          *testkit.Buffer
	stop         func()
}

// start begins with one certificate, for "a.example.com". change makes it another
// case before that.
func start(t *testing.T, change func(*tlsfront.Options, *tlsfront.Settings, *testkit.Certificates)) *bench {
	t.Helper()
	b := &bench{t: t, certificates: testkit.NewCertificates(t), log: new(testkit.Buffer)}
	o := tlsfront.Options{Listener: "test", Engine: echo{}, Log: testkit.Logger(b.log)}
	b.settings = tlsfront.Settings{HandshakeTimeout: 10 * time.Second}
	if change != nil {
		change(&o, &b.settings, b.certificates)
	}
	if len(b.settings.Certificates) == 0 {
		b.settings.Certificates = files(b.certificates.Server("a.example.com"))
	}
	b.engine = tlsfront.New(o)
	b.use()
	l := &proxy.Listener{Name: "test", Addr: "127.0.0.1:0", Engine: b.engine, DrainTimeout: 10 * time.Second, Log: o.Log}
	if err := l.Listen(); err != nil {
		t.Fatal(err)
	}
	b.addr = l.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		b.stop = func() {}
	}
	t.Cleanup(func() { b.stop() })
	return b
}

func files(pairs ...testkit.Pair) (all []tlsfront.Files) {
	for _, p := range pairs {
		all = append(all, tlsfront.Files{CertFile: p.CertFile, KeyFile: p.KeyFile})
	}
	return all
}

// use reads the files and puts them to use.
func (b *bench) use() {
	b.t.Helper()
	m, err := tlsfront.Read(b.settings)
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine.Use(m)
}

// client is what a client that trusts the authority says.
func (b *bench) client(name string) *tls.Config {
	return &tls.Config{RootCAs: b.certificates.Pool, ServerName: name}
}

// ask makes a handshake, has something echoed, and says what was agreed.
func (b *bench) ask(c *tls.Config) (*tls.ConnectionState, error) {
	b.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", b.addr, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "hello")
	conn.CloseWrite()
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != "hello" {
		b.t.Errorf("the echo of hello is %q", got)
	}
	s := conn.ConnectionState()
	return &s, err
}

// must is ask for what is to go well.
func (b *bench) must(c *tls.Config) *tls.ConnectionState {
	b.t.Helper()
	s, err := b.ask(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// failed waits until n handshakes have failed because of cause.
func (b *bench) failed(cause tlsfront.Cause, n uint64) {
	b.t.Helper()
	testkit.Eventually(b.t, func() bool { return b.engine.Counters().Failed[cause].Load() == n })
}

// dial connects without TLS.
func (b *bench) dial() net.Conn {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}
