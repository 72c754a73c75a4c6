package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/spillway-lb/spillway/lb"
)

// A Question is a request or connection that somebody wants explained.
type Question struct {
	// Client is where it comes from, as the proxy sees it, and Destination where it
	// was sent to. Either may be invalid: not said; a port of 0 is not said either.
	Client, Destination netip.AddrPort
	// Headers are "Name: value", for affinities that look at them.
	Headers []string
	// Avoid has the IDs of endpoints that were tried already.
	Avoid []string
}

// An Explanation says whom a service chooses for a Question, and why.
type Explanation struct {
	Service string `json:"service"`
	// Group and Endpoint are who is chosen; empty if nobody can be had.
	Group    string `json:"group"`
	Endpoint string `json:"endpoint"`
	Address  string `json:"address"`
	Policy   string `json:"policy"`
	Affinity string `json:"affinity"`
	// Key is the affinity key in hex; empty if there is none. KeyOf says what it is
	// made of, or why there is none.
	Key   string `json:"key"`
	KeyOf string `json:"key_of"`
	// Sheds is the part of requests, 0 to 1, that is refused since too few endpoints
	// are healthy. The answer is about one that is not.
	Sheds float64 `json:"sheds,omitempty"`
	// Queue is what the service's circuit breakers have come to; not there if it has
	// none. Of a file alone nobody has taken anything.
	Queue *QueueStatus `json:"queue,omitempty"`
	// Session is what the request's strong cookie says; empty where the service has
	// none.
	Session string `json:"session,omitempty"`
	// Reason is a sentence.
	Reason string `json:"reason"`
	// Notes are what the answer depends on and was not said.
	Notes []string `json:"notes,omitempty"`
	// Tiers are of services with capacity, in the order in which they are filled.
	Tiers []ExplainedTier `json:"tiers,omitempty"`
	// Candidates are all endpoints, by ID.
	Candidates []ExplainedCandidate `json:"candidates"`
}

// An ExplainedTier is groups that are filled together.
type ExplainedTier struct {
	Tier   int              `json:"tier"`
	Region string           `json:"region"`
	Groups []ExplainedGroup `json:"groups"`
}

// An ExplainedGroup is a group of a service with capacity.
type ExplainedGroup struct {
	Name string `json:"name"`
	GroupCapacity
	Share float64 `json:"share"`
	// Dropped says why the request does not go there; empty if it could.
	Dropped string `json:"dropped"`
}

// An ExplainedCandidate is one endpoint.
type ExplainedCandidate struct {
	Endpoint string `json:"endpoint"`
	Group    string `json:"group"`
	// Active is what it has under way, and Share its part of new traffic that has no
	// key.
	Active int64   `json:"active"`
	Share  float64 `json:"share"`
	// Warm is 1, or while it warms up the part of its weight that counts.
	Warm float64 `json:"warm"`
	// Dropped says why it cannot be chosen; empty if it can.
	Dropped string `json:"dropped"`
}

// ErrNoService is what Options.Explain says of a service that is not there.
var ErrNoService = errors.New("there is no such service")

// explain answers what would become of a request.
func (s *Server) explain(r *request) {
	if s.o.Explain == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy cannot explain").send(r.RequestCtx)
		return
	}
	q, err := readQuestion(r.QueryArgs())
	if err != nil {
		problem(fasthttp.StatusBadRequest, "%v", err).send(r.RequestCtx)
		return
	}
	x, err := s.o.Explain(r.service, q)
	switch {
	case errors.Is(err, ErrNoService):
		problem(fasthttp.StatusNotFound, "no service is named %q", r.service).send(r.RequestCtx)
	case err != nil:
		problem(fasthttp.StatusBadRequest, "%v", err).send(r.RequestCtx)
	default:
		r.answer(x)
	}
}

// readQuestion reads a query: client, destination, header, cookie and avoid, of
// which the last three may be there more than once.
func readQuestion(args *fasthttp.Args) (Question, error) {
	var q Question
	for k, v := range args.All() {
		if err := q.Add(string(k), string(v)); err != nil {
			return q, err
		}
	}
	return q, nil
}

// Add adds one thing that is known of the request: client or destination, an
// address with or without a port; header, "Name: value"; cookie, "name=value"; avoid,
// an endpoint's ID.
func (q *Question) Add(what, value string) (err error) {
	switch what {
	case "client":
		q.Client, err = parseAddr(value)
	case "destination":
		q.Destination, err = parseAddr(value)
	case "header":
		name, _, ok := strings.Cut(value, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return fmt.Errorf("header %.80q: want Name: value", value)
		}
		q.Headers = append(q.Headers, value)
	case "cookie":
		name, _, ok := strings.Cut(value, "=")
		if !ok || name == "" {
			return fmt.Errorf("cookie %.80q: want name=value", value)
		}
		q.Headers = append(q.Headers, "Cookie: "+value)
	case "avoid":
		q.Avoid = append(q.Avoid, value)
	default:
		return fmt.Errorf("there is no %.80q; there are client, destination, header, cookie and avoid", what)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// parseAddr reads an address with or without a port.
func parseAddr(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, fmt.Errorf("%.80q is no address: want 192.0.2.1:1234 or [2001:db8::1]:1234", s)
	}
	return a, nil
}

// query writes what readQuestion reads.
func (q *Question) query() url.Values {
	v := url.Values{"header": q.Headers, "avoid": q.Avoid}
	for name, a := range map[string]netip.AddrPort{"client": q.Client, "destination": q.Destination} {
		if a.IsValid() {
			v.Set(name, a.String())
		}
	}
	return v
}

// Explain asks whom a service would choose, and why.
func (c *Client) Explain(ctx context.Context, service string, q Question) (Explanation, error) {
	var x Explanation
	err := c.call(ctx, http.MethodGet, "/api/v1/services/"+url.PathEscape(service)+"/explain?"+q.query().Encode(), nil, &x)
	return x, err
}

// Fill fills in what x says of endpoints and groups.
func (v *Explanation) Fill(x *lb.Explanation) {
	if x.Endpoint != nil {
		v.Group, v.Endpoint, v.Address = x.Group, x.Endpoint.ID, x.Endpoint.Addr
	}
	v.Sheds = x.Sheds
	v.Queue = viewQueue(x.Queue)
	v.Candidates = make([]ExplainedCandidate, len(x.Candidates))
	for i, t := range x.Tiers {
		tier := ExplainedTier{Tier: i, Region: t.Region}
		for _, g := range t.Groups {
			group := ExplainedGroup{Name: g.Name, Share: finite(g.Share), Dropped: g.Dropped}
			if c := viewCapacity(&g.GroupStatus); c != nil {
				group.GroupCapacity = *c
			}
			tier.Groups = append(tier.Groups, group)
		}
		v.Tiers = append(v.Tiers, tier)
	}
	for i, c := range x.Candidates {
		v.Candidates[i] = ExplainedCandidate{Endpoint: c.Endpoint.ID, Group: c.Group, Active: c.Endpoint.Load.Active(), Share: c.Share, Warm: c.Warm, Dropped: c.Dropped}
	}
}
