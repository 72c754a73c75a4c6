package tcp_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

func TestRefusingEndpointIsPassedOver(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, nobody(t), nobody(t), endpoint(t, echo))
		for range 6 {
			c := b.dial()
			c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			c.CloseWrite()
			io.ReadAll(c)
		}
		r := b.settled()
		for _, r := range r {
			if r["cause"] != "" || r["attempts"].(float64) > 3 {
				t.Errorf("record %v", r)
			}
		}
		started, failed, active := b.load()
		if started != 6+failed || failed == 0 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
		if n := b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load(); n != failed {
			t.Errorf("%d connect failures counted, want %d", n, failed)
		}
		if n := b.service.Stats.Attempts[proxy.AttemptOK].Load(); n != 6 {
			t.Errorf("%d attempts counted as ok, want 6", n)
		}
		if log := b.log.String(); !strings.Contains(log, "connection_refused") || !strings.Contains(log, "endpoint=127.0.0.1:") {
			t.Errorf("log does not explain: %s", log)
		}
	})
}

func TestClientIsResetWhenAllRefuse(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, nobody(t), nobody(t))
		b.wantRefusal()
		b.wantCause("connection_refused")
		if n := b.engine.Counters().Refused.Load(); n != 1 {
			t.Errorf("%d refused", n)
		}
		if started, failed, active := b.load(); started != 2 || failed != 2 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
	})
}

func TestClientIsResetWhenThereIsNobody(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		t.Run("no endpoint", func(t *testing.T) {
			b := setup(t, d, nil)
			b.wantRefusal()
			b.wantCause("destination_unavailable")
		})
		t.Run("all full", func(t *testing.T) {
			b := setup(t, d, nil, endpoint(t, echo))
			must(t, b.service.Balancer.SetEndpoints([]balance.Endpoint{{Addr: endpoint(t, echo), Max: 1}}))
			c := b.dial()
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			b.wantRefusal()
			c.Close()
			refused := func(r map[string]any) bool { return r["cause"] == "connection_limit_reached" }
			if r := b.settled(); !slices.ContainsFunc(r, refused) {
				t.Errorf("records %v", r)
			}
		})
		t.Run("no service", func(t *testing.T) {
			b := setup(t, d, nil)
			b.engine.SetService(nil)
			b.wantRefusal()
			b.wantCause("destination_unavailable")
		})
	})
}

// full is an endpoint that lets nobody connect: its queue is full.
func full(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("cannot fill a listener's queue here")
	return ""
}

func TestClientGoneWhileConnectingIsNobodysFault(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, func(s *proxy.Service) { s.ConnectTimeout = time.Hour }, full(t))
		c := b.dial()
		eventually(t, "a dial", func() bool { _, _, active := b.load(); return active == 1 })
		abort(c)
		b.wantCause("client_gone")
		if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
	})
}

func TestSlowEndpointIsPassedOver(t *testing.T) {
	eachDriverAtOnce(t, func(t *testing.T, d driver) {
		b := setup(t, d, func(s *proxy.Service) { s.ConnectTimeout = 500 * time.Millisecond }, full(t), endpoint(t, echo))
		for range 2 {
			c := b.dial()
			c.Write([]byte("x"))
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}
		if log := b.log.String(); !strings.Contains(log, "connection_timeout") {
			t.Errorf("log does not explain: %s", log)
		}
	})
}
