package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

// Explain says whom a service of cfg would choose for a request, and why, without
// a proxy that runs: everybody counts as healthy and idle. Groups that find their
// endpoints have until ctx ends to do so; that one could not is a note.
func Explain(ctx context.Context, cfg *config.Config, name string, q admin.Question) (admin.Explanation, error) {
	i := slices.IndexFunc(cfg.Services, func(s config.Service) bool { return s.Name == name })
	if i < 0 {
		return admin.Explanation{}, fmt.Errorf("%w: %q", admin.ErrNoService, name)
	}
	alone := *cfg
	alone.Services = cfg.Services[i : i+1] // nobody asks for groups of others
	cfg, missing := Found(ctx, &alone)
	spec := &cfg.Services[0]
	o, err := BalancerOptions(cfg, spec)
	if err != nil {
		return admin.Explanation{}, err
	}
	b, err := lb.New(o)
	if err != nil {
		return admin.Explanation{}, err
	}
	x := asked{cfg: cfg, spec: spec, balancer: b, question: q}
	for _, l := range cfg.Listeners {
		if l.LeadsTo(name) {
			x.listeners = append(x.listeners, l)
		}
	}
	v, err := x.explain()
	if missing != nil {
		v.Notes = append(v.Notes, strings.Split(missing.Error(), "\n")...)
	}
	return v, err
}

// explain says the same of the running proxy.
func (a *App) explain(name string, q admin.Question) (admin.Explanation, error) {
	x := asked{question: q}
	a.mu.Lock()
	if s := a.service(name); s != nil {
		spec := s.spec
		own := a.cookieKey
		x.cfg, x.spec, x.balancer, x.own = a.cfg, &spec, s.balancer, &own
	}
	for _, l := range a.listeners {
		if l.spec.LeadsTo(name) {
			spec := l.spec
			if addr := l.LocalAddr(); addr != nil && addr.Network() != "unix" {
				spec.Listen = addr.String() // of port 0: which it is
			}
			x.listeners = append(x.listeners, spec)
		}
	}
	a.mu.Unlock()
	if x.spec == nil {
		return admin.Explanation{}, admin.ErrNoService
	}
	return x.explain()
}

// asked is a question about one service, and what there is to answer it.
type asked struct {
	cfg       *config.Config
	spec      *config.Service
	balancer  *lb.Balancer
	listeners []config.Listener // that send traffic to the service
	question  admin.Question
	own       *affinity.Key // the running proxy's key for strong cookies; nil: none runs
}

func (x *asked) explain() (admin.Explanation, error) {
	k, err := x.key()
	if err != nil {
		return admin.Explanation{}, err
	}
	r := lb.Request{Key: k.key, Keyed: k.keyed, Destination: x.question.Destination, Sticky: k.session.endpoint, Strict: k.session.strict}
	for _, id := range x.question.Avoid {
		r.Avoid = append(r.Avoid, &balance.Endpoint{ID: id})
	}
	found := x.balancer.Explain(r)
	if errors.Is(found.Err, lb.ErrClosed) {
		return admin.Explanation{}, admin.ErrNoService // a reload removed it just now
	}
	v := admin.Explanation{
		Service:  x.spec.Name,
		Policy:   x.spec.LocalityLBPolicy,
		Affinity: x.spec.SessionAffinity,
		KeyOf:    k.of,
		Session:  k.session.says,
		Notes:    k.notes,
	}
	for _, id := range x.question.Avoid {
		if !slices.ContainsFunc(found.Candidates, func(c lb.Candidacy) bool { return c.Endpoint.ID == id }) {
			v.Notes = append(v.Notes, fmt.Sprintf("no endpoint has the ID %q, which is to be avoided", id))
		}
	}
	if k.keyed {
		v.Key = fmt.Sprintf("%016x", k.key)
	}
	v.Fill(&found)
	v.Notes = append(v.Notes, warming(&found)...)
	v.Reason = reason(&v, &found)
	return v, nil
}
