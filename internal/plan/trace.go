package plan

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
)

// A Traced is what becomes of single keys.
type Traced struct {
	Service string `json:"service"`
	Keys    int    `json:"keys"`
	Moved   int    `json:"moved"`
	Moves   []Move `json:"moves"` // those that move, in the order in which they were given
}

// A Move is a key that belongs to another endpoint than before.
type Move struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Trace says what becomes of keys, one on each line: what the service's affinity
// takes of a client, that is the value of the header or cookie, or the client's
// address, with its port if that counts, and behind a blank the address that it has
// dialed where that counts: "203.0.113.7:4711 198.51.100.1:443". The latter may be
// left out if the service has one listener only, and that an address of its own.
//
// The service may be "" where only one goes by keys. It fails if what names clients
// changes: then their new keys cannot be known.
func Trace(prev, next *config.Config, service string, keys io.Reader) (*Traced, error) {
	before, after, err := traceable(prev, next, service)
	if err != nil {
		return nil, err
	}
	t := &Traced{Service: after.spec.Name, Moves: []Move{}}
	lines := bufio.NewScanner(keys)
	lines.Buffer(nil, 1<<20)
	n := 1
	for ; lines.Scan(); n++ {
		key := strings.Trim(lines.Text(), " \t\r")
		if key == "" {
			continue
		}
		from, err := before.owner(key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		to, err := after.owner(key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		t.Keys++
		if from.ID != to.ID {
			t.Moved++
			t.Moves = append(t.Moves, Move{key, from.ID, to.ID})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n, err)
	}
	return t, nil
}

// traceable returns the sides of the service, if keys have a place in both.
func traceable(prev, next *config.Config, service string) (before, after *side, err error) {
	if service == "" {
		if service, err = onlyService(prev, next); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range []struct {
		cfg  *config.Config
		side **side
		is   string
	}{{prev, &before, "old"}, {next, &after, "new"}} {
		*s.side, err = newSide(s.cfg, service)
		switch {
		case err != nil:
			return nil, nil, err
		case *s.side == nil:
			return nil, nil, fmt.Errorf("the %s file has no service %q", s.is, service)
		case !(*s.side).binds():
			return nil, nil, fmt.Errorf("service %q: the %s file's policy, %s, does not go by keys", service, s.is, (*s.side).spec.LocalityLBPolicy)
		case len((*s.side).parts()) == 0:
			return nil, nil, fmt.Errorf("service %q: the %s file has no endpoint for a key", service, s.is)
		}
	}
	if a, b := before.rule, after.rule; a.Kind != b.Kind || !strings.EqualFold(a.Header, b.Header) || a.CookieName() != b.CookieName() {
		return nil, nil, fmt.Errorf("service %q: %s", service, otherKeys(before, after))
	}
	return before, after, nil
}

// onlyService returns the name of the one service whose clients have keys.
func onlyService(prev, next *config.Config) (string, error) {
	var found []string
	for _, name := range serviceNames(prev, next) {
		before, err := newSide(prev, name)
		if err != nil {
			return "", err
		}
		after, err := newSide(next, name)
		if err != nil {
			return "", err
		}
		if before != nil && before.binds() && after != nil && after.binds() {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", errors.New("no service goes by keys in both files")
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("several services go by keys: %s; say which", strings.Join(found, ", "))
	}
}

// owner finds the endpoint of a key as a line has it.
func (s *side) owner(line string) (*balance.Endpoint, error) {
	key, err := s.key(line)
	if err != nil {
		return nil, err
	}
	return s.tables.Owner(key), nil
}

func (s *side) key(line string) (uint64, error) {
	if !s.rule.Kind.NeedsFlow() {
		return s.rule.ValueKey([]byte(line)), nil
	}
	flow := affinity.Flow{Proto: 6}
	if s.spec.Protocol == "UDP" {
		flow.Proto = 17
	}
	words := strings.Fields(line)
	if len(words) == 0 || len(words) > 2 {
		return 0, fmt.Errorf("%q is neither an address nor two", line)
	}
	var err error
	if flow.Src, err = s.address(words[0]); err != nil || s.rule.Kind == affinity.ClientIPNoDestination {
		return s.rule.FlowKey(flow), err
	}
	dialed := s.onlyAddress()
	if len(words) == 2 {
		dialed = words[1]
	} else if dialed == "" {
		return 0, fmt.Errorf("%s goes by the address that the client has dialed, too: write it behind %s", s.rule.Kind, words[0])
	}
	flow.Dst, err = s.address(dialed)
	return s.rule.FlowKey(flow), err
}

// address reads "ip:port", or "ip" where ports do not count.
func (s *side) address(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a, nil
	}
	ip, err := netip.ParseAddr(text)
	switch kind := s.rule.Kind; {
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	case kind == affinity.None || kind == affinity.ClientIPPortProto:
		return netip.AddrPort{}, fmt.Errorf("%q has no port, and %s goes by it", text, kind)
	}
	return netip.AddrPortFrom(ip, 0), nil
}

// onlyAddress is what clients of the service have dialed if that is always the same.
func (s *side) onlyAddress() (address string) {
	for i := range s.cfg.Listeners {
		l := &s.cfg.Listeners[i]
		if !l.LeadsTo(s.spec.Name) {
			continue
		}
		at, err := netip.ParseAddrPort(l.Listen)
		if err != nil || at.Addr().IsUnspecified() || at.Port() == 0 || l.Transparent || address != "" {
			return ""
		}
		address = l.Listen
	}
	return address
}
