//go:build linux && !race && !faults

package udp_test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// There and back, for one client and for many at once.
func TestDatagramsAllocateNothing(t *testing.T) {
	b := setup{loops: true, endpoints: []string{mirror(t), mirror(t)}}.start(t)
	const clients, rounds = 32, 20
	var fds [clients]int
	for i := range fds {
		fds[i] = dialRaw(t, b.addr)
	}
	p := make([]byte, 64)
	visit := func() {
		for range rounds {
			for _, fd := range fds {
				unix.Write(fd, p)
			}
			for _, fd := range fds {
				n, err := unix.Read(fd, p)
				for err == unix.EINTR { // the runtime's own signal; with a timeout the kernel does not begin again
					n, err = unix.Read(fd, p)
				}
				if n != len(p) {
					t.Fatalf("%d bytes, %v", n, err)
				}
			}
		}
	}
	visit() // which makes the sessions
	// A pool may have to be filled again; what costs for each datagram costs 640 times.
	if n := testing.AllocsPerRun(10, visit); n > clients*rounds/20 {
		t.Errorf("%v allocations for %d datagrams there and back", n, clients*rounds)
	}
}

// dialRaw returns a socket that waits in the kernel: the runtime would allocate.
func dialRaw(t *testing.T, to netip.AddrPort) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	must(t, unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}))
	return fd
}
