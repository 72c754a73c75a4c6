package http_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy"
)

func TestConformanceOnLinux(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) { sideBySide(t, d, promisesOnLinux) })
}

var promisesOnLinux = []promise{
	{"an abort ends a connect that takes its time", abortEndsAConnectThatTakesItsTime},
}

func abortEndsAConnectThatTakesItsTime(t *testing.T, d driver) {
	b := d.start(t, []string{silentPort(t), silentPort(t)}, withService(func(s *proxy.Service) { s.ConnectTimeout = time.Minute; s.Timeout = time.Minute }))
	b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	b.engine.Abort()
	b.active(0)
	if b.failures() != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

// silentPort is an address that neither accepts nor refuses connections: its
// queue is full.
func silentPort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this kernel queues connections without end")
	return ""
}
