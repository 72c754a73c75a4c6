package hello_test

import (
	"fmt"

	"github.com/spillway-lb/spillway/proxy/internal/hello"
)

// A stream is looked at whenever more of it has come.
func Example() {
	stream := records(message(host("www.example.com")), 1<<14) // a client has this to send
	var r hello.Reader
	for _, n := range []int{1, 40, len(stream)} {
		h, state := r.Look(stream[:n])
		fmt.Printf("%v %q\n", state, h.ServerName)
	}
	_, state := new(hello.Reader).Look([]byte("GET / HTTP/1.1\r\n"))
	fmt.Println(state)
	// Output:
	// incomplete ""
	// incomplete ""
	// found "www.example.com"
	// not TLS
}
