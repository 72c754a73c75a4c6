package plan

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/config"
)

// A Listener is what becomes of one listener. One that Changes closes its address,
// whose connections drain, and opens another.
type Listener struct {
	Name   string `json:"name"`
	Verb   Verb   `json:"change"`
	Before string `json:"before,omitempty"` // what listen says
	After  string `json:"after,omitempty"`
}

// listeners compares the addresses. A listener is the same if its name and its
// address are: else the reload closes one and opens another.
func listeners(prev, next *config.Config) []Listener {
	all := []Listener{}
	for i := range prev.Listeners {
		l := &prev.Listeners[i]
		now := listenerNamed(next, l.Name)
		switch {
		case now == nil:
			all = append(all, Listener{l.Name, Goes, l.Listen, ""})
		case now.Listen != l.Listen:
			all = append(all, Listener{l.Name, Changes, l.Listen, now.Listen})
		}
	}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		if listenerNamed(prev, l.Name) == nil {
			all = append(all, Listener{l.Name, Comes, "", l.Listen})
		}
	}
	slices.SortFunc(all, func(a, b Listener) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func listenerNamed(cfg *config.Config, name string) *config.Listener {
	for i := range cfg.Listeners {
		if cfg.Listeners[i].Name == name {
			return &cfg.Listeners[i]
		}
	}
	return nil
}

// listenerAt finds the listener that a reload takes for l.
func listenerAt(cfg *config.Config, l *config.Listener) *config.Listener {
	if old := listenerNamed(cfg, l.Name); old != nil && old.Listen == l.Listen {
		return old
	}
	return nil
}

// taken says which new addresses a reload cannot open: it opens them before it
// closes those that go, which may be in the way.
func taken(prev, next *config.Config) (reasons []string) {
	for i := range next.Listeners {
		l := &next.Listeners[i]
		for j := range prev.Listeners {
			old := &prev.Listeners[j]
			if listenerAt(prev, l) == nil && old.Listen != l.Listen && clash(old, l) {
				reasons = append(reasons, fmt.Sprintf("listener %q: its port is that of %q until the reload is over", l.Listen, old.Listen))
			}
		}
	}
	return reasons
}

// clash reports whether two addresses cannot be listened on at once. UDP's are
// freed in time.
func clash(a, b *config.Listener) bool {
	if a.Protocol == "UDP" || b.Protocol == "UDP" {
		return false
	}
	hostA, portA, errA := net.SplitHostPort(a.Listen)
	hostB, portB, errB := net.SplitHostPort(b.Listen)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || holds(hostA, hostB) || holds(hostB, hostA)
}

// holds reports whether host a stands for many addresses, b's among them.
func holds(a, b string) bool {
	if a == "" || a == "::" { // of both families
		return true
	}
	ip := net.ParseIP(b)
	return a == "0.0.0.0" && (ip == nil || ip.To4() != nil)
}

// otherAddresses says why the addresses that a key is made of are others than
// before, though the clients are the same; "" if they are not.
func otherAddresses(before, after *side) string {
	for i := range after.cfg.Listeners {
		l := &after.cfg.Listeners[i]
		old := listenerNamed(before.cfg, l.Name)
		if old == nil || !old.LeadsTo(before.spec.Name) || !l.LeadsTo(after.spec.Name) {
			continue
		}
		if !slices.Equal(old.TrustedProxies, l.TrustedProxies) || old.ProxyProtocol != l.ProxyProtocol {
			return fmt.Sprintf("listener %q believes others about who its clients are: their keys may all change", l.Name)
		}
		if dialed(old, before.rule.Kind) != dialed(l, after.rule.Kind) {
			return fmt.Sprintf("the address of listener %q is in the keys, and changes", l.Name)
		}
	}
	return ""
}

// dialed is what of a listener's address is in the keys of a kind.
func dialed(l *config.Listener, kind affinity.Kind) string {
	host, port, err := net.SplitHostPort(l.Listen)
	switch {
	case err != nil: // a unix socket has no address
		return ""
	case kind == affinity.ClientIPNoDestination:
		return ""
	case kind == affinity.ClientIP || kind == affinity.ClientIPProto:
		return host
	default:
		return net.JoinHostPort(host, port)
	}
}
