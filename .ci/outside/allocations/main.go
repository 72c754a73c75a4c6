// Command allocations checks that a pick with its lease allocates nothing.
package main

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	var endpoints []balance.Endpoint
	for i := range 1000 {
		endpoints = append(endpoints, balance.Endpoint{Addr: fmt.Sprintf("10.1.%d.%d:80", i/250, i%250)})
	}
	for _, name := range balance.Names() {
		policy, err := balance.Lookup(name)
		if err != nil {
			log.Fatal(err)
		}
		b, err := lb.New(lb.Options{Policy: policy, Endpoints: endpoints})
		if err != nil {
			log.Fatal(err)
		}
		key := uint64(0)
		n := testing.AllocsPerRun(10_000, func() {
			key += 0x9e3779b97f4a7c15
			lease, err := b.Pick(context.Background(), lb.Request{Key: key, Keyed: true})
			if err != nil {
				log.Fatal(err)
			}
			lease.Done(lb.Success)
		})
		fmt.Printf("%s: %v allocations for a lease\n", name, n)
		if n != 0 {
			log.Fatal(name, ": want none")
		}
	}
}
