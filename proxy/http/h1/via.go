package h1

// pseudonym is who we are in Via (RFC 9110 §7.6.3), in a list that AppendTo makes
// longer by one at each proxy.
const pseudonym = "spillway"

// Hops is how many proxies of this name Via says that the request has come through.
// Without a Via field, as from most clients, that is known already.
func (r *Request) Hops() int {
	if r.head.has>>kVia&1 == 0 {
		return 0
	}
	return r.countHops()
}

func (r *Request) countHops() (n int) {
	for i := range r.head.cuts {
		c := &r.head.cuts[i]
		if c.kind != kVia {
			continue
		}
		for list := r.Fields[c.field].Value; len(list) > 0; {
			var m []byte
			if m, list = nextMember(list); receivedBy(m, pseudonym) {
				n++
			}
		}
	}
	return n
}

// receivedBy says whether a member of Via, "1.1 name" and perhaps a comment, has this
// name.
func receivedBy(member []byte, name string) bool {
	i := 0
	for i < len(member) && member[i] != ' ' && member[i] != '\t' {
		i++
	}
	by := trim(member[i:])
	for i = range by {
		if by[i] == ' ' || by[i] == '\t' {
			by = by[:i]
			break
		}
	}
	return fold(by, name)
}
