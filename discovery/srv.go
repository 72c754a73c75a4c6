package discovery

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxTargets bounds the questions that one answer may cost.
	maxTargets = 256
	// atOnce is how many targets are asked for at a time.
	atOnce = 8
)

// SRV returns the source of a name's SRV records (RFC 2782): an endpoint for each
// address of each target, at the target's port. Weights are those of the records,
// see weights; a target with several addresses divides its own between them. Priorities
// are the records'. An address that is there twice is one endpoint, of the lowest of
// its priorities.
func SRV(name string, q Query) Source {
	return &srvSource{name: name, query: q, targets: make(map[string]*lookup)}
}

type srvSource struct {
	name    string
	query   Query
	targets map[string]*lookup // by name, those of the last answer
}

func (s *srvSource) String() string { return "srv " + s.name }

func (s *srvSource) Look(ctx context.Context) (Answer, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	records, ttl, err := s.ask(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("discovery: %w", err)
	}
	var warnings []string
	if len(records) > maxTargets {
		warnings = append(warnings, fmt.Sprintf("%d targets are more than %d: the rest is left out", len(records), maxTargets))
		records = records[:maxTargets]
	}
	answers := s.resolve(ctx, records)
	var targets []target
	var failure error
	for _, r := range records {
		a := answers[strings.ToLower(r.Target)]
		if a.err != nil {
			failure = a.err
			warnings = append(warnings, a.err.Error())
		}
		if a.warning != "" {
			warnings = append(warnings, a.warning)
		}
		if len(a.addrs) > 0 {
			targets = append(targets, target{r, a.addrs})
			ttl = shorter(ttl, a.ttl)
		}
	}
	if len(targets) == 0 {
		if failure == nil {
			failure = fmt.Errorf("%s: %w", s.name, ErrNobody)
		}
		return Answer{}, fmt.Errorf("discovery: %w", failure)
	}
	endpoints := endpointsOf(targets)
	if len(endpoints) > maxAddresses { // the last ones have the lowest priorities
		warnings = append(warnings, fmt.Sprintf("%d addresses are more than %d: the rest is left out", len(endpoints), maxAddresses))
		endpoints = endpoints[:maxAddresses]
	}
	return Answer{
		Endpoints: endpoints,
		TTL:       s.query.within(ttl),
		Warning:   strings.Join(slices.Compact(warnings), "; "),
	}, nil
}

// ask returns the records, sorted so that every proxy has the same ones first.
func (s *srvSource) ask(ctx context.Context) (records []*dns.SRV, ttl time.Duration, err error) {
	c := s.query.client()
	servers, names := c.plan(s.name)
	for _, name := range names {
		m, err := c.ask(ctx, servers, name, dns.TypeSRV)
		if err != nil {
			return nil, 0, err
		}
		records, ttl = srvOf(m, name)
		if len(records) > 0 {
			break
		}
	}
	if len(records) == 0 {
		return nil, 0, fmt.Errorf("%s: %w: there is no such name, or it has no SRV record", s.name, ErrNobody)
	}
	records = slices.DeleteFunc(records, func(r *dns.SRV) bool { return r.Target == "." || r.Port == 0 })
	if len(records) == 0 { // "the service is decidedly not available" (RFC 2782)
		return nil, 0, fmt.Errorf("%s: %w: the records say so", s.name, ErrNobody)
	}
	slices.SortFunc(records, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Target, b.Target),
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.Weight, b.Weight))
	})
	return records, ttl, nil
}

func srvOf(m *dns.Msg, name string) (records []*dns.SRV, ttl time.Duration) {
	r := read(m, name, dns.TypeSRV)
	ttl = r.ttl
	for _, rr := range m.Answer {
		if srv, ok := rr.(*dns.SRV); ok && strings.EqualFold(srv.Hdr.Name, r.name) {
			records = append(records, srv)
			ttl = shorter(ttl, ttlOf(srv))
		}
	}
	return records, ttl
}

// A resolved is what became of the question for one target.
type resolved struct {
	addrs   []netip.Addr
	ttl     time.Duration
	err     error
	warning string
}

// resolve asks for the addresses of all targets. What could not be found out stays
// as it was.
func (s *srvSource) resolve(ctx context.Context, records []*dns.SRV) map[string]resolved {
	known := make(map[string]*lookup)
	answers := make(map[string]resolved)
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, r := range records {
		name := strings.ToLower(r.Target)
		if known[name] != nil {
			continue
		}
		l := s.targets[name]
		if l == nil {
			l = &lookup{client: s.query.client(), host: name}
		}
		known[name] = l
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			a := l.kept(ctx)
			mu.Lock()
			defer mu.Unlock()
			answers[name] = a
		})
	}
	all.Wait()
	s.targets = known
	return answers
}

// kept is addresses, or else the last good answer.
func (l *lookup) kept(ctx context.Context) resolved {
	addrs, ttl, err := l.addresses(ctx)
	if err != nil {
		// Soon again: some of these endpoints may be gone.
		return resolved{addrs: usable(slices.Concat(l.ipv4, l.ipv6)), ttl: firstRetry, err: err}
	}
	return resolved{addrs, ttl, nil, l.warning}
}

// A target is a record with the addresses of its target.
type target struct {
	*dns.SRV
	addrs []netip.Addr
}

// endpointsOf makes endpoints of targets, which are sorted by priority.
func endpointsOf(targets []target) []Endpoint {
	var all []Endpoint
	at := make(map[string]int)
	for len(targets) > 0 {
		n := slices.IndexFunc(targets, func(t target) bool { return t.Priority != targets[0].Priority })
		if n < 0 {
			n = len(targets)
		}
		for _, e := range levelOf(targets[:n]) {
			i, twice := at[e.Addr]
			switch {
			case !twice:
				at[e.Addr] = len(all)
				all = append(all, e)
			case all[i].Priority == e.Priority:
				all[i].Weight = min(all[i].Weight+e.Weight, maxWeight)
			}
		}
		targets = targets[n:]
	}
	return all
}

// levelOf makes endpoints of the targets of one priority.
func levelOf(targets []target) (level []Endpoint) {
	srv, parts := make([]uint16, len(targets)), make([]int, len(targets))
	for i, t := range targets {
		srv[i], parts[i] = t.Weight, len(t.addrs)
	}
	for i, w := range weights(srv, parts) {
		port := strconv.Itoa(int(targets[i].Port))
		for _, addr := range targets[i].addrs {
			level = append(level, Endpoint{Addr: join(addr, port), Weight: w, Priority: targets[i].Priority})
		}
	}
	return level
}
