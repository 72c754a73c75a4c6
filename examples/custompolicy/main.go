// Custompolicy balances with a policy of its own. policy.go has it: build from
// a list, then choose. policy_test.go has all the proof it needs: the suite that
// the built-in policies pass.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	b, err := lb.New(lb.Options{
		Policy:    LeastFailing,
		Endpoints: []balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}, {ID: "b", Addr: "10.0.0.2:80"}, {ID: "c", Addr: "10.0.0.3:80"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 9000 {
		lease, err := b.Pick(context.Background(), lb.Request{})
		if err != nil {
			log.Fatal(err)
		}
		if lease.Endpoint.ID == "b" { // b fails, always
			lease.Done(lb.Failure)
		} else {
			lease.Done(lb.Success)
		}
	}
	for _, e := range b.Status().Groups[0].Endpoints {
		fmt.Printf("%s: about %d000 of 9000\n", e.ID, (e.Requests+500)/1000)
	}
}
