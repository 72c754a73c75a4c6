package app

import (
	"slices"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// surveyPatience is how long an answer of the admin API waits for an event loop that
// has other things to do.
const surveyPatience = time.Second

// adminServices describes the services, with what is left on endpoints that take
// nothing new. Connections are walked for those, and only while there are any.
func (a *App) adminServices() []admin.Service {
	a.mu.Lock()
	services := slices.Clone(a.services)
	out := make([]admin.Service, len(services))
	for i, s := range services {
		out[i] = admin.Service{
			Policy:   s.spec.LocalityLBPolicy,
			Affinity: s.spec.SessionAffinity,
			Protocol: s.spec.Protocol,
			Status:   s.balancer.Status(),
			Unusable: s.unusable,

			KeepsSessions: s.spec.KeepsSessions(),
		}
		s.tell(&out[i])
	}
	retired := slices.Clone(a.retired)
	a.mu.Unlock()
	for _, s := range retired {
		services = append(services, s)
		out = append(out, admin.Service{Protocol: s.spec.Protocol, Status: lb.Status{Name: s.spec.Name}, Retired: true})
	}

	holders := make([][]holder, len(services))
	var places []proxy.Place
	for i, s := range services {
		holders[i] = holdersOf(s, &out[i])
		for _, h := range holders[i] {
			places = append(places, h.Place)
		}
	}
	var burdens map[proxy.Place]proxy.Burden
	if len(places) > 0 {
		burdens = proxy.TakeCensus(a.carriers(), places, surveyPatience)
	}
	for i := range holders {
		out[i].Held = []admin.Held{}
		for _, h := range holders[i] {
			if held, ok := h.held(burdens[h.Place]); ok {
				out[i].Held = append(out[i].Held, held)
			}
		}
	}
	return slices.DeleteFunc(out, func(s admin.Service) bool { return s.Retired && len(s.Held) == 0 })
}

// carriers are the engines that may have connections.
func (a *App) carriers() (all []proxy.Carrier) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range slices.Concat(a.listeners, a.leaving) {
		if c, ok := l.engine.(proxy.Carrier); ok {
			all = append(all, c)
		}
	}
	return all
}

// A holder is an endpoint that takes nothing new and still has something.
type holder struct {
	proxy.Fate
	moved bool // it is in use at another address
}

// holdersOf lists those of s, which v describes so far.
func holdersOf(s *service, v *admin.Service) (all []holder) {
	fates := s.tracker.Fates()
	known := make(map[string]bool, len(fates))
	present := make(map[string]proxy.Place)
	if !v.Retired {
		for _, c := range s.balancer.Snapshot().Candidates {
			present[c.ID] = proxy.PlaceOf(c.Endpoint)
		}
	}
	for _, f := range fates {
		_, there := present[f.ID]
		known[f.ID] = known[f.ID] || f.Plight.Removed.IsZero()
		all = append(all, holder{f, !f.Plight.Removed.IsZero() && there})
	}
	// And those that nothing has befallen but that others are preferred, or their
	// weight is 0.
	for _, g := range v.Status.Groups {
		for _, e := range g.Endpoints {
			at, there := present[e.ID]
			if e.Standing != lb.InUse && e.Active > 0 && there && !known[e.ID] {
				all = append(all, holder{Fate: proxy.Fate{Place: at, ID: e.ID, Plight: proxy.Plight{Group: g.Name}}})
			}
		}
	}
	return all
}

// held describes a holder; ok is false if it turns out to hold nothing.
func (h *holder) held(on proxy.Burden) (held admin.Held, ok bool) {
	held = admin.Held{
		ID: h.ID, Addr: h.Addr, Group: h.Plight.Group, Removed: h.Plight.Removed,
		Active: h.Load.Active(), Bytes: on.Bytes, Oldest: on.Oldest, Until: h.By,
	}
	if h.moved { // its leases may be held at the other address
		held.Active = on.Connections
	}
	return held, held.Active > 0
}

// cutNow cuts what is under way to an endpoint that is out.
func (a *App) cutNow(service, endpoint string) bool {
	a.mu.Lock()
	s := a.service(service)
	a.mu.Unlock()
	return s != nil && s.tracker.CutNow(endpoint)
}
