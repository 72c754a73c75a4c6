package affinity_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

// A client without a cookie is given one; the next request hashes it to the same key.
func Example() {
	rule := affinity.Rule{
		Kind:   affinity.HTTPCookie,
		Cookie: affinity.Cookie{Name: "sid", Path: "/", TTL: time.Hour},
	}
	fmt.Printf("%s\n", rule.AppendSetCookie(nil, []byte("f00d"), time.Unix(0, 0), true))

	cookieLines := [][]byte{[]byte("lang=en; sid=f00d")}
	if value, ok := affinity.CookieValue(cookieLines, rule.CookieName()); ok {
		fmt.Printf("%s: %x\n", value, rule.ValueKey(value))
	}
	// Output:
	// sid=f00d; Path=/; Max-Age=3600; Expires=Thu, 01 Jan 1970 01:00:00 GMT; HttpOnly; Secure
	// f00d: 2233935655f0aace
}

func ExampleClient() {
	peer := netip.MustParseAddr("10.0.0.2")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	forwarded := [][]byte{[]byte("6.6.6.6, 203.0.113.7"), []byte("10.0.0.9")}

	client := affinity.Client(peer, forwarded, trusted)
	rule := affinity.Rule{Kind: affinity.ClientIPNoDestination}
	key := rule.FlowKey(affinity.Flow{Src: netip.AddrPortFrom(client, 0), Proto: 6})
	fmt.Printf("%v: %x\n", client, key)
	// Output: 203.0.113.7: 540a299efc9927f4
}
