//go:build linux

package loop_test

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// tellPeer tells everybody who connects from where.
func tellPeer(t *testing.T, network, addr string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte(c.RemoteAddr().String()))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestDialComesFromWhereItIsTold(t *testing.T) {
	s := newStage(t)
	addr := tellPeer(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(addr)
	refused := false
	for _, to := range []string{addr, "localhost:" + port} {
		s.task(func() {
			var asked netip.Addr
			from := func(to netip.Addr) netip.Addr {
				if !to.Is4() {
					return netip.Addr{} // localhost may have an IPv6 address, where nobody listens
				}
				asked = to
				return netip.MustParseAddr("127.0.0.9")
			}
			var c loop.Conn
			err := s.DialFrom(&c, to, 10*time.Second, nil, from)
			if refused = errors.Is(err, syscall.EPERM); refused {
				return
			}
			if err != nil {
				t.Errorf("%s: %v", to, err)
				return
			}
			defer c.Close()
			if asked != netip.MustParseAddr("127.0.0.1") {
				t.Errorf("%s: asked about %v", to, asked)
			}
			peer, b := "", make([]byte, 100)
			for {
				n, err := c.Read(b)
				peer += string(b[:n])
				if err != nil {
					break
				}
			}
			if !strings.HasPrefix(peer, "127.0.0.9:") {
				t.Errorf("%s: came from %q", to, peer)
			}
		})
	}
	if refused {
		t.Skip("only root may be transparent")
	}
}

func TestNobodyIsAskedFromWhereAUnixSocketIsDialed(t *testing.T) {
	s := newStage(t)
	addr := "unix:" + tellPeer(t, "unix", filepath.Join(t.TempDir(), "s"))
	s.task(func() {
		var c loop.Conn
		err := s.DialFrom(&c, addr, 10*time.Second, nil, func(netip.Addr) netip.Addr {
			t.Error("asked")
			return netip.Addr{}
		})
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
}
