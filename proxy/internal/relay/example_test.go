package relay_test

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// A client asks, the endpoint answers, and both are done.
func Example() {
	client, nearClient := net.Pipe() // a proxy has sockets here
	endpoint, nearEndpoint := net.Pipe()
	stats := new(proxy.Stats)
	r := relay.New(netio.Wrap(nearClient), netio.Wrap(nearEndpoint), relay.Options{
		Idle: time.Minute, Stats: stats,
	})
	ended := make(chan relay.Cause)
	go func() { ended <- r.Run() }()
	go func() {
		question := make([]byte, 9)
		io.ReadFull(endpoint, question)
		fmt.Fprintf(endpoint, "%s Fine.", question)
		endpoint.Close()
	}()

	io.WriteString(client, "All well?")
	answer, err := io.ReadAll(client)
	fmt.Printf("%s %v\n", answer, err)
	fmt.Println(<-ended == relay.Well)
	fmt.Println(stats.Copied(proxy.ToClient), "bytes to the client")
	// Output:
	// All well? Fine. <nil>
	// true
	// 15 bytes to the client
}
