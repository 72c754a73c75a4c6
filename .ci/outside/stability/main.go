// Command stability checks whose keys move when an endpoint is drained, comes
// back, and is removed.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

const (
	n    = 50
	keys = 20_000
)

func main() {
	for _, name := range []string{"RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV"} {
		policy, err := balance.Lookup(name)
		check(err)
		b, err := lb.New(lb.Options{Policy: policy, Endpoints: endpoints("")})
		check(err)
		before := owners(b)

		check(b.SetAdmin("e7", lb.Drain))
		moved, foreign := 0, 0
		for key, now := range owners(b) {
			if now != before[key] {
				moved++
				if before[key] != "e7" {
					foreign++
				}
			}
		}
		check(b.SetAdmin("e7", lb.Ready))
		back := differ(before, owners(b))
		check(b.SetEndpoints(endpoints("e7")))
		removed := differ(before, owners(b))

		fmt.Printf("%s: a drain moved %.4f of the keys, %d of them others'; after its end %d differ; a removal moved %.4f\n",
			name, float64(moved)/keys, foreign, back, float64(removed)/keys)
		if foreign > 0 || back > 0 || removed > 3*keys/n {
			log.Fatal(name, ": more moved than had to")
		}
	}
}

func endpoints(without string) (out []balance.Endpoint) {
	for i := range n {
		if id := fmt.Sprintf("e%d", i); id != without {
			out = append(out, balance.Endpoint{ID: id, Addr: fmt.Sprintf("10.0.0.%d:80", i), Weight: 1})
		}
	}
	return out
}

func owners(b *lb.Balancer) map[uint64]string {
	out := make(map[uint64]string, keys)
	for i := range uint64(keys) {
		key := i * 0x9e3779b97f4a7c15
		lease, err := b.Pick(context.Background(), lb.Request{Key: key, Keyed: true})
		check(err)
		out[key] = lease.Endpoint.ID
		lease.Done(lb.Success)
	}
	return out
}

func differ(a, b map[uint64]string) (n int) {
	for key := range a {
		if a[key] != b[key] {
			n++
		}
	}
	return n
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
