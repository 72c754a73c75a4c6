package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/discovery"
)

// firstLook is how long a start or a reload waits for the first answer of a group's
// source. A source that is down does not keep the proxy from starting.
const firstLook = 2 * time.Second

// A finder finds the endpoints of one group, for all services that use it. It stays
// as long as the file says the same of where they come from.
type finder struct {
	spec    config.Group
	watcher *discovery.Watcher
	stop    context.CancelFunc // nil: not started
}

func sourceOfGroup(g *config.Group) discovery.Source {
	q := discovery.Query{
		Resolvers: g.Resolvers,
		MinTTL:    time.Duration(g.MinTTL),
		MaxTTL:    time.Duration(g.MaxTTL),
	}
	switch {
	case g.DNS != "":
		host, port := g.HostPort()
		return discovery.DNS(host, port, q)
	case g.SRV != "":
		return discovery.SRV(g.SRV, q)
	default:
		return discovery.File(g.FilePath, 0)
	}
}

// finds reports whether f does what g asks for.
func (f *finder) finds(g *config.Group) bool {
	s := &f.spec
	return s.DNS == g.DNS && s.SRV == g.SRV && s.FilePath == g.FilePath &&
		slices.Equal(s.Resolvers, g.Resolvers) && s.MinTTL == g.MinTTL && s.MaxTTL == g.MaxTTL
}

// finders returns what finds the endpoints of cfg's groups: those that run already,
// and new ones that have looked once.
func (a *App) findersFor(cfg *config.Config) map[string]*finder {
	a.mu.Lock()
	old, running := a.finders, a.cfg
	a.mu.Unlock()
	finders := make(map[string]*finder)
	var looks sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), firstLook)
	defer cancel()
	for i := range cfg.Groups {
		g := &cfg.Groups[i]
		if !g.Finds() || !isUsed(cfg, g.Name) {
			continue
		}
		if f := old[g.Name]; f != nil && f.finds(g) {
			finders[g.Name] = f
			continue
		}
		last := lastOf(old[g.Name], running, g.Name)
		if running == nil {
			last = a.inherited[g.Name]
		}
		f := a.newFinder(g, last)
		finders[g.Name] = f
		looks.Go(func() { f.watcher.Look(ctx) })
	}
	looks.Wait()
	return finders
}

func (a *App) newFinder(g *config.Group, last []discovery.Endpoint) *finder {
	f := &finder{spec: *g}
	f.watcher = discovery.NewWatcher(discovery.Options{
		Group:   g.Name,
		Source:  sourceOfGroup(g),
		Last:    last,
		Changed: func([]discovery.Endpoint) { a.found(f) },
		Log:     a.log.Logger,
	})
	return f
}

// lastOf is what a group has while its new source has not answered: what it had
// before the file changed.
func lastOf(old *finder, running *config.Config, group string) []discovery.Endpoint {
	if old != nil {
		return old.watcher.Endpoints()
	}
	if running == nil {
		return nil
	}
	var last []discovery.Endpoint
	if g := groupOf(running, group); g != nil {
		for _, e := range g.Endpoints {
			last = append(last, discovery.Endpoint{ID: e.ID, Addr: e.Address, Weight: e.Weight, Max: e.Max})
		}
	}
	return last
}

func isUsed(cfg *config.Config, group string) bool {
	return slices.ContainsFunc(cfg.Services, func(s config.Service) bool { return uses(&s, group) })
}

func uses(s *config.Service, group string) bool {
	return slices.ContainsFunc(s.Backends, func(b config.Backend) bool { return b.Group == group })
}

// start runs the watcher until it is stopped or ctx ends.
func (f *finder) start(ctx context.Context, wg *sync.WaitGroup) {
	ctx, f.stop = context.WithCancel(ctx)
	wg.Go(func() { _ = f.watcher.Run(ctx) })
}

// useFinders starts those that are new and stops those that are not needed any more.
// Caller holds a.mu.
func (a *App) useFinders(next map[string]*finder) {
	for name, f := range a.finders {
		if next[name] != f && f.stop != nil {
			f.stop()
		}
	}
	a.finders = next
	if a.tasks.running() {
		a.startFinders()
	}
}

// startFinders starts those that do not run yet. Caller holds a.mu.
func (a *App) startFinders() {
	for _, f := range a.finders {
		if f.stop == nil {
			f.start(a.tasks.background, a.tasks.backgroundGroup)
		}
	}
}

// found gives every service that uses f's group the endpoints that it has now.
func (a *App) found(f *finder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.finders[f.spec.Name] != f {
		return // it was replaced, or has not yet replaced another
	}
	cfg := withFound(a.cfg, a.finders)
	for _, s := range a.services {
		if uses(&s.spec, f.spec.Name) {
			a.regroup(cfg, s)
		}
	}
	a.forgetGone()
}

// withFound returns cfg with endpoints in the groups that find them.
func withFound(cfg *config.Config, finders map[string]*finder) *config.Config {
	if len(finders) == 0 {
		return cfg
	}
	filled := *cfg
	filled.Groups = slices.Clone(cfg.Groups)
	for i := range filled.Groups {
		g := &filled.Groups[i]
		if f := finders[g.Name]; f != nil {
			g.Endpoints = endpointsOf(f.watcher.Endpoints())
		}
	}
	return &filled
}

func endpointsOf(found []discovery.Endpoint) []config.Endpoint {
	endpoints := make([]config.Endpoint, len(found))
	for i, e := range found {
		endpoints[i] = config.Endpoint{Address: e.Addr, Weight: e.Weight, Max: e.Max, Priority: e.Priority}
		if e.ID != e.Addr { // else it is the address with its port
			endpoints[i].ID = e.ID
		}
	}
	return endpoints
}
