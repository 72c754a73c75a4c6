// Sticky keeps clients on their endpoints by a cookie, with nothing stored: the
// cookie's value is hashed, and MAGLEV maps the hash to an endpoint.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// rule is what an HTTP server would give each new client as Set-Cookie, and
// look for in the Cookie field of its next request.
var rule = affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid"}}

func main() {
	b, err := lb.New(lb.Options{
		Policy:    balance.Maglev(balance.DefaultMaglevSize),
		Endpoints: []balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}, {ID: "b", Addr: "10.0.0.2:80"}, {ID: "c", Addr: "10.0.0.3:80"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	clients := make([][]byte, 3000) // the Cookie field that each sends
	for i := range clients {
		value := rule.NewCookieValue()
		clients[i] = fmt.Appendf(nil, "lang=en; sid=%s", value[:])
	}

	home := visit(b, clients)
	fmt.Printf("a second visit moves %d of %d clients\n", moved(home, visit(b, clients)), len(clients))

	setAdmin(b, "b", lb.Down)
	strangers := 0
	for i, endpoint := range visit(b, clients) {
		if endpoint == "b" || endpoint != home[i] && home[i] != "b" {
			strangers++
		}
	}
	fmt.Printf("while b is down, its clients go elsewhere and %d others move\n", strangers)

	setAdmin(b, "b", lb.Ready)
	fmt.Printf("when it is back, %d clients are not where they were\n", moved(home, visit(b, clients)))
}

// visit sends one request of each client and says who served it.
func visit(b *lb.Balancer, clients [][]byte) []string {
	served := make([]string, len(clients))
	for i, field := range clients {
		var r lb.Request
		if value, ok := affinity.CookieValue([][]byte{field}, rule.CookieName()); ok {
			r = lb.Request{Key: rule.ValueKey(value), Keyed: true}
		}
		lease, err := b.Pick(context.Background(), r)
		if err != nil {
			log.Fatal(err)
		}
		served[i] = lease.Endpoint.ID
		lease.Done(lb.Success)
	}
	return served
}

func moved(before, after []string) (n int) {
	for i := range before {
		if before[i] != after[i] {
			n++
		}
	}
	return n
}

func setAdmin(b *lb.Balancer, id string, a lb.Admin) {
	if err := b.SetAdmin(id, a); err != nil {
		log.Fatal(err)
	}
}
