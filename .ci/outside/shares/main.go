// Command shares checks that every policy gives endpoints their weights' share.
package main

import (
	"context"
	"fmt"
	"log"
	"math"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

const picks = 200_000

func main() {
	for _, name := range balance.Names() {
		policy, err := balance.Lookup(name)
		if err != nil {
			log.Fatal(err)
		}
		b, err := lb.New(lb.Options{Policy: policy, Endpoints: []balance.Endpoint{
			{Addr: "a:1", Weight: 1}, {Addr: "b:1", Weight: 2}, {Addr: "c:1", Weight: 3}, {Addr: "d:1", Weight: 4},
		}})
		if err != nil {
			log.Fatal(err)
		}
		got := make(map[string]float64)
		for i := range uint64(picks) {
			lease, err := b.Pick(context.Background(), lb.Request{Key: i * 0x9e3779b97f4a7c15, Keyed: true})
			if err != nil {
				log.Fatal(err)
			}
			got[lease.Endpoint.ID] += 1.0 / picks
			lease.Done(lb.Success)
		}
		tolerance := 0.01
		if name == "RING_HASH" {
			tolerance = 0.06 // a ring of 1024 points is no evener
		}
		fmt.Print(name)
		for i, id := range []string{"a:1", "b:1", "c:1", "d:1"} {
			want := float64(i+1) / 10
			fmt.Printf("  %.4f of %.1f", got[id], want)
			if math.Abs(got[id]-want) > tolerance {
				log.Fatalf("%s: %s got %.4f, want %.1f", name, id, got[id], want)
			}
		}
		fmt.Println()
	}
}
