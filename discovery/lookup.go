package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxAddresses bounds what is taken of one name's answer, be they of the name
	// or of all targets of its SRV records. A message of 64 KiB has room for a few
	// thousand.
	maxAddresses = 4096
	// maxAliases bounds the questions that a chain of aliases may cost.
	maxAliases = 8
)

// A lookup is what is known of one host's addresses.
type lookup struct {
	client  client
	host    string
	ipv4    []netip.Addr // the last good answers
	ipv6    []netip.Addr
	warning string
}

// addresses asks for the host's addresses of both families, and says for how long
// they are good.
func (l *lookup) addresses(ctx context.Context) ([]netip.Addr, time.Duration, error) {
	l.warning = ""
	if addr, err := netip.ParseAddr(strings.TrimSuffix(l.host, ".")); err == nil {
		return []netip.Addr{addr.Unmap()}, forGood, nil
	}
	if len(l.client.servers) == 0 {
		if found := hosts(hostsFile, l.host); len(found) > 0 {
			return usable(found), hostsTTL, nil
		}
	}
	servers, names := l.client.plan(l.host)
	return l.search(ctx, servers, names)
}

// search asks for one name after the other until one has an address.
func (l *lookup) search(ctx context.Context, servers, names []string) ([]netip.Addr, time.Duration, error) {
	for _, name := range names {
		var v4, v6 found
		var both sync.WaitGroup
		both.Go(func() { v4 = l.client.follow(ctx, servers, name, dns.TypeA) })
		both.Go(func() { v6 = l.client.follow(ctx, servers, name, dns.TypeAAAA) })
		both.Wait()
		addrs, ttl, err := l.merge(v4, v6)
		if !errors.Is(err, ErrNobody) {
			// A failure ends the search: what the next name leads to may be
			// somebody else.
			return addrs, ttl, err
		}
	}
	return nil, 0, fmt.Errorf("%s: %w: there is no such name, or it has no address", l.host, ErrNobody)
}

// forGood is the TTL of what never changes, hostsTTL of what a file says.
const (
	forGood  = 24 * time.Hour
	hostsTTL = 5 * time.Second
)

// merge makes one answer of the two families'. If one of them failed, its last
// good answer stands in beside the other's; that there is nobody is believed only
// if both say so.
func (l *lookup) merge(v4, v6 found) ([]netip.Addr, time.Duration, error) {
	ttl := shorter(v4.ttl, v6.ttl)
	switch {
	case v4.err != nil && v6.err != nil:
		return nil, 0, v4.err
	case v4.err != nil && len(v6.addrs) == 0:
		return nil, 0, v4.err
	case v6.err != nil && len(v4.addrs) == 0:
		return nil, 0, v6.err
	case v4.err != nil:
		l.warning = "only half of the answer is new: " + v4.err.Error()
		v4.addrs = l.ipv4
	case v6.err != nil:
		l.warning = "only half of the answer is new: " + v6.err.Error()
		v6.addrs = l.ipv6
	case len(v4.addrs) == 0 && len(v6.addrs) == 0:
		return nil, 0, ErrNobody
	}
	l.ipv4, l.ipv6 = v4.addrs, v6.addrs
	all := usable(slices.Concat(v4.addrs, v6.addrs))
	if len(all) == 0 {
		return nil, 0, fmt.Errorf("%s: no address of the answer can be dialed", l.host)
	}
	if len(all) > maxAddresses {
		l.warning = fmt.Sprintf("%d addresses are more than %d: the rest is left out", len(all), maxAddresses)
		all = all[:maxAddresses]
	}
	return all, ttl, nil
}

// usable sorts addresses, each once, without those that are no endpoint's, such as
// the 0.0.0.0 of lists that block names.
func usable(addrs []netip.Addr) []netip.Addr {
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		return a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	})
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// shorter returns the smaller of two times to live, of which 0 is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// found is what became of the question for one family.
type found struct {
	addrs []netip.Addr
	ttl   time.Duration // at least 1ns if there are addresses
	err   error         // it could not be asked
}

// follow asks for a name's addresses of one family, and goes on where a server
// knows only that the name is an alias.
func (c client) follow(ctx context.Context, servers []string, name string, qtype uint16) (f found) {
	for range maxAliases {
		m, err := c.ask(ctx, servers, name, qtype)
		if err != nil {
			return found{err: err}
		}
		a := read(m, name, qtype)
		f.ttl = shorter(f.ttl, a.ttl)
		f.addrs = a.addrs
		if len(f.addrs) > 0 || a.name == name || m.Rcode == dns.RcodeNameError || hasSOA(m) {
			return f
		}
		name = a.name
	}
	return found{err: fmt.Errorf("%s: more than %d aliases", name, maxAliases)}
}

// hasSOA: the server says that there is nothing, rather than that it does not know
// (RFC 2308 §2.2).
func hasSOA(m *dns.Msg) bool {
	return slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
}

// A reading is what one message says of a name.
type reading struct {
	name  string // where its aliases end
	addrs []netip.Addr
	ttl   time.Duration
}

// read follows the aliases in a message. Records of other names are not believed.
func read(m *dns.Msg, name string, qtype uint16) (r reading) {
	r.name = name
	for range maxAliases {
		i := slices.IndexFunc(m.Answer, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeCNAME && strings.EqualFold(rr.Header().Name, r.name)
		})
		if i < 0 {
			break
		}
		alias, ok := m.Answer[i].(*dns.CNAME)
		if !ok || strings.EqualFold(alias.Target, r.name) {
			break
		}
		r.name, r.ttl = alias.Target, shorter(r.ttl, ttlOf(alias))
	}
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != qtype || !strings.EqualFold(rr.Header().Name, r.name) {
			continue
		}
		if addr, ok := addrOf(rr); ok {
			r.addrs = append(r.addrs, addr)
			r.ttl = shorter(r.ttl, ttlOf(rr))
		}
	}
	return r
}

func addrOf(rr dns.RR) (addr netip.Addr, ok bool) {
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, ok = netip.AddrFromSlice(rr.AAAA)
	}
	return addr.Unmap(), ok
}

// ttlOf returns a record's time to live, at least 1ns, so that 0 stands for no
// record. A value with the highest bit set is 0 (RFC 2181 §8).
func ttlOf(rr dns.RR) time.Duration {
	seconds := rr.Header().Ttl
	if seconds > 1<<31-1 {
		seconds = 0
	}
	return max(time.Duration(seconds)*time.Second, 1)
}
