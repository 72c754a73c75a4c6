// Package affinity names the client of a request: it turns an address, a header or a cookie into the number that a
// hash policy maps to an endpoint (spec.md §5). It knows no endpoint, keeps no state, reads no clock and imports no
// HTTP stack, as TCP uses it too.
//
//	            X-Forwarded-For
//	peer ────────► Client ──► Flow ──► Rule.FlowKey ──┐
//	Cookie lines ► CookieValue ──┐                    ├──► uint64 ──► lb.Request{Key, Keyed: true}
//	header value ────────────────┴───► Rule.ValueKey ─┘
//	no cookie ───► NewCookieValue ──► ValueKey, AppendSetCookie on the response
//	strong cookie ──────────────────► Session ───────► the ID for lb.Request{Sticky}, AppendSetSession on the response
//
// Most affinity is weak: nothing is stored, and what makes the hash policy choose another endpoint (it left, it is
// unhealthy, its group is full, the weights changed) moves the client too. spec.md §5.4 lists these conditions.
//
// # Keys
//
// Keys are XXH64, seeded by the file's hash_seed. Proxies of a fleet with one seed agree on each key, in whatever
// language they are written: [Rule.FlowKey] and [Rule.ValueKey] say which bytes are hashed and testdata/keys.txt has
// golden vectors. Where clients could want to aim at one endpoint the seed has to be secret, because they can
// choose a header or a cookie at will.
//
// CLIENT_IP includes the destination. A fleet whose proxies listen on addresses of their own agrees on
// CLIENT_IP_NO_DESTINATION only.
//
// # Strong cookies
//
// A strong cookie names the endpoint itself, by its ID, sealed with a [Keyring] so that clients can neither read nor
// write it. An endpoint that keeps its ID keeps its sessions, at another address as well; one with another ID is
// another endpoint. The proxies of a fleet need the same keys.
//
// # The client's address
//
// Many users behind one translating or proxying address have one key between them. [Client] looks through proxies
// that are trusted, and through no others.
package affinity
