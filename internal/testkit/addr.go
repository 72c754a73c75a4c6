package testkit

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

var hosts atomic.Uint32

// FreeAddr returns an address, "host:port", at which nobody listens over TCP or UDP,
// for who is to have it later, or is not to be there.
//
// Until then a port of 127.0.0.1 may be given to anybody who asks for any, in this
// process or another. So on Linux, where all of 127.0.0.0/8 is the machine's, the host
// is one that nobody else uses.
func FreeAddr(t testing.TB) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		// 127.0 is for tests that choose themselves.
		pid := os.Getpid()
		host = fmt.Sprintf("127.%d.%d.%d", 128+pid>>8&127, pid&255, 1+hosts.Add(1)%254)
	}
	for {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		c, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			c.Close()
			return addr
		}
	}
}
