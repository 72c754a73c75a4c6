package netio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// A client that is asked to wait no longer than a minute, and then closes.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	client, err := netio.Dial(context.Background(), l.Addr().String(), time.Second)
	if err != nil {
		panic(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		panic(err)
	}
	server := netio.Wrap(accepted)
	defer server.Close()

	client.WriteBuffers([]byte("head "), []byte("body"))
	client.CloseWrite()

	server.ReadBy(time.Now().Add(time.Minute))
	all, err := io.ReadAll(server)
	fmt.Printf("%q %v, %d bytes\n", all, err, server.Received())
	client.Close()
	// Output: "head body" <nil>, 9 bytes
}
