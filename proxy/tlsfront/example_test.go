package tlsfront_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

// echo is the engine behind TLS; a real one is that of proxy/http or proxy/tcp.
type echo struct{}

func (echo) Drain() {}
func (echo) Abort() {}

func (echo) ServeConn(c net.Conn) {
	defer c.Close()
	io.Copy(c, c)
}

func Example() {
	material, err := tlsfront.Read(tlsfront.Settings{
		Certificates: []tlsfront.Files{{CertFile: "testdata/localhost.pem", KeyFile: "testdata/localhost.key"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(slog.DiscardHandler)
	engine := tlsfront.New(tlsfront.Options{Listener: "in", Engine: echo{}, Log: log})
	engine.Use(material)
	listener := &proxy.Listener{Name: "in", Addr: "127.0.0.1:0", Engine: engine, Log: log}
	if err := listener.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- listener.Serve(ctx) }()

	c, err := tls.Dial("tcp", listener.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true}) // for the example's sake
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(c, "hello")
	c.CloseWrite()
	answer, err := io.ReadAll(c)
	c.Close()
	fmt.Println(tls.VersionName(c.ConnectionState().Version), string(answer), err)
	stop()
	fmt.Println(<-served)
	// Output:
	// TLS 1.3 hello <nil>
	// <nil>
}
