package tcp_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// Loops are to end after listeners, but nobody is to suffer from one that does not.
func TestTheEndOfALoopIsNoEndpointsFault(t *testing.T) {
	slow := full(t)
	for name, addr := range map[string]string{"address": slow, "name": "localhost" + slow[len("127.0.0.1"):]} {
		t.Run(name, func(t *testing.T) {
			balancer, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: []balance.Endpoint{{Addr: addr}, {ID: "other", Addr: addr}}})
			must(t, err)
			loops, endLoops := startLoops(t)
			e := tcp.New(tcp.Options{Loops: loops, Log: slog.New(slog.DiscardHandler)})
			e.SetService(&proxy.Service{Name: "test", Balancer: balancer, Stats: new(proxy.Stats), ConnectTimeout: time.Hour})
			l := &proxy.Listener{Addr: "127.0.0.1:0", Engine: e, DrainTimeout: time.Hour}
			must(t, l.Listen())
			ctx, stop := context.WithCancel(context.Background())
			var serving sync.WaitGroup
			serving.Go(func() { l.Serve(ctx) })
			b := &bench{T: t, engine: e, listener: l, service: &proxy.Service{Balancer: balancer}, addr: l.LocalAddr().String()}
			b.dial()
			eventually(t, "a dial", func() bool { _, _, active := b.load(); return active == 1 })
			endLoops()
			stop()
			serving.Wait()
			if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
				t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
			}
		})
	}
}
