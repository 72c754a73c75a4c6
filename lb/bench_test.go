package lb_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// BenchmarkPickDone is one lease, from Pick to Done, at 1000 endpoints; with
// -cpu 1,2 it shows what a second goroutine costs.
func BenchmarkPickDone(b *testing.B) {
	for _, name := range balance.Names() {
		b.Run(name, func(b *testing.B) {
			policy, err := balance.Lookup(name)
			if err != nil {
				b.Fatal(err)
			}
			l, err := lb.New(lb.Options{Policy: policy, Endpoints: endpoints(1000)})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx := context.Background()
				for key := uint64(1); pb.Next(); key += 0x9e3779b97f4a7c15 {
					lease, err := l.Pick(ctx, lb.Request{Key: key, Keyed: true})
					if err != nil {
						b.Fatal(err)
					}
					lease.Done(lb.Success)
				}
			})
		})
	}
}

// BenchmarkCircuitBreakers is BenchmarkPickDone where leases are counted for the
// whole service, too.
func BenchmarkCircuitBreakers(b *testing.B) {
	l, err := lb.New(lb.Options{Endpoints: endpoints(1000), CircuitBreakers: &lb.CircuitBreakers{MaxConnections: 1 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, err := l.Pick(context.Background(), lb.Request{})
			if err != nil {
				b.Fatal(err)
			}
			lease.Done(lb.Success)
		}
	})
}

// BenchmarkSetHealthBurst is the cost of a change of one endpoint's admin state
// among 1000: a new snapshot.
func BenchmarkPublish(b *testing.B) {
	for _, name := range balance.Names() {
		b.Run(name, func(b *testing.B) {
			policy, _ := balance.Lookup(name)
			l, err := lb.New(lb.Options{Policy: policy, Endpoints: endpoints(1000)})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if err := l.SetAdmin("e0", lb.Admin(i%2)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func endpoints(n int) []balance.Endpoint {
	out := make([]balance.Endpoint, n)
	for i := range out {
		out[i] = balance.Endpoint{ID: fmt.Sprintf("e%d", i), Addr: fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)}
	}
	return out
}
