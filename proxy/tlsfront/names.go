package tlsfront

import (
	"crypto/tls"
	"slices"
	"strings"
)

// names finds certificates by the name that a client asks for. It never changes.
type names struct {
	exact, wild map[string][]*tls.Certificate // wild: by the name behind "*."
	rest        []*tls.Certificate            // for any other name, and for none
}

// newNames takes certificates in the order in which they are preferred.
func newNames(all []*tls.Certificate) *names {
	n := &names{exact: map[string][]*tls.Certificate{}, wild: map[string][]*tls.Certificate{}}
	for _, c := range all {
		for _, name := range c.Leaf.DNSNames {
			name = strings.ToLower(name)
			if parent, ok := strings.CutPrefix(name, "*."); ok {
				n.wild[parent] = append(n.wild[parent], c)
			} else {
				n.exact[name] = append(n.exact[name], c)
			}
		}
		if sameNames(c, all[0]) {
			n.rest = append(n.rest, c)
		}
	}
	return n
}

// sameNames reports whether two certificates are for the same names: they will
// differ in the kind of key.
func sameNames(a, b *tls.Certificate) bool {
	x, y := slices.Clone(a.Leaf.DNSNames), slices.Clone(b.Leaf.DNSNames)
	slices.Sort(x)
	slices.Sort(y)
	return slices.EqualFunc(x, y, strings.EqualFold)
}

// choose is for tls.Config.GetCertificate.
func (n *names) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	_, parent, _ := strings.Cut(name, ".")
	exact, wild := n.exact[name], n.wild[parent]
	switch {
	case len(exact)+len(wild) == 0:
		nameless := *hello
		nameless.ServerName = "" // or none would suit
		return choose(&nameless, n.rest, nil), nil
	default:
		return choose(hello, exact, wild), nil
	}
}

// choose returns the first certificate that the client can use. Where there is
// none, it gets the first, and package tls says why that does not do.
func choose(hello *tls.ClientHelloInfo, first, then []*tls.Certificate) *tls.Certificate {
	if len(first)+len(then) > 1 {
		for _, list := range [...][]*tls.Certificate{first, then} {
			for _, c := range list {
				if hello.SupportsCertificate(c) == nil {
					return c
				}
			}
		}
	}
	if len(first) > 0 {
		return first[0]
	}
	return then[0]
}
