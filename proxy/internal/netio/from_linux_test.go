package netio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// accepted connects as f does and returns the side that was accepted.
func accepted(t *testing.T, f func(addr string) (*netio.Conn, error)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := f(l.Addr().String())
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root may be transparent")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestDialFromComesFromThere(t *testing.T) {
	a := accepted(t, func(addr string) (*netio.Conn, error) {
		return netio.DialFrom(context.Background(), addr, 10*time.Second,
			func(netip.Addr) netip.Addr { return netip.MustParseAddr("127.0.0.9") })
	})
	if got := a.RemoteAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.9" {
		t.Errorf("came from %s", got)
	}
}

func TestWhoHasDialedUsHasNoOriginalDestination(t *testing.T) {
	a := accepted(t, func(addr string) (*netio.Conn, error) {
		return netio.Dial(context.Background(), addr, 10*time.Second)
	})
	c := netio.Wrap(a)
	if to := c.OriginalDestination(); to.IsValid() {
		t.Errorf("was redirected from %v", to)
	}
	told := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	c.SetAddrs(told, a.RemoteAddr())
	if to := c.OriginalDestination(); to != netip.MustParseAddrPort("192.0.2.1:80") {
		t.Errorf("%v, but a proxy in front has told of %v", to, told)
	}
}
