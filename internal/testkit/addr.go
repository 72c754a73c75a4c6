package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

var hosts atomic.Uint32

// FreeAddr returns an address, "host:port", at which nobody listens over TCP or UDP,
// for who is to have it later, or is not to be there.
//
// Until then a port of 127.0.0.1 may be given to anybody who asks for any, in this
// process or another. So on Linux, where all of 127.0.0.0/8 is the machine's, the host
// is one that nobody else uses, and the port not of those that are given: nobody gets
// it at another host either.
func FreeAddr(t testing.TB) string {
	t.Helper()
	host, port := "127.0.0.1", 0
	if runtime.GOOS == "linux" {
		// 127.0 is for tests that choose themselves.
		pid := os.Getpid()
		host = fmt.Sprintf("127.%d.%d.%d", 128+pid>>8&127, pid&255, 1+hosts.Add(1)%254)
	}
	for range 100 {
		if runtime.GOOS == "linux" {
			port = 20_000 + rand.IntN(12_000)
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		addr := l.Addr().String()
		c, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			c.Close()
			return addr
		}
	}
	t.Fatalf("no port of %s is free", host)
	return ""
}
