package app

import (
	"errors"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// Reload reads the file again and swaps it in whole. On an error, which lists
// everything that is wrong, the running state is as it was.
func (a *App) Reload() error {
	a.tellReloading()
	err := a.reload()
	defer a.tellReady()
	if err != nil {
		a.reloads.failed.Add(1)
		a.log.Error("reload failed; nothing has changed", "error", err)
		return err
	}
	a.reloads.ok.Add(1)
	a.log.Info("reloaded")
	a.warn()
	return nil
}

// warn logs what is odd about the file that is in force.
func (a *App) warn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.cfg.Warnings {
		a.log.Warn(w.Error())
	}
}

func (a *App) reload() error {
	if a.opt.Load == nil {
		return errors.New("there is no file to reload")
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	switch {
	case a.replaced.Load():
		return errReplaced
	case a.upgrading.Load():
		return errUpgrading
	}
	cfg, err := a.opt.Load()
	if err != nil {
		return err
	}
	return a.apply(cfg, a.findersFor(cfg))
}

// apply makes cfg the running state: first everything that can fail, on objects
// that nobody uses yet, then the swap, which cannot.
func (a *App) apply(cfg *config.Config, finders map[string]*finder) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending.Load() {
		return errDraining
	}
	if a.cfg != nil {
		if err := errors.Join(refusals(a.cfg, cfg, func(i int) bool { return a.listeners[i].onLoops })...); err != nil {
			return err
		}
	}
	next, err := a.build(cfg, finders)
	if err != nil {
		return errors.Join(err, next.discard())
	}
	a.swap(next)
	return nil
}

// swap puts the objects to work and sends home those that are not needed any
// more. Caller holds a.mu.
func (a *App) swap(next *parts) {
	cfg := next.cfg
	for i, s := range next.services {
		spec := &cfg.Services[i]
		s.tracker.SetTracking(next.faces[spec.Name].Tracking) // first: it holds for whom the rest removes
		s.tls, s.source = next.secured[i], next.faces[spec.Name].Source
		if err := s.update(spec, next.options[i]); err != nil {
			panic("app: options were valid a moment ago: " + err.Error())
		}
		s.loads.use(loadSourceOf(spec, s.tls.reports))
		if a.tasks.running() && s.cancel == nil {
			s.start(a.tasks.background, a.tasks.backgroundGroup, a.hasDrained)
		}
	}
	for i, l := range next.listeners {
		spec := &cfg.Listeners[i]
		l.configure(spec, next.faces, next.settings[i], next.materials[i])
		if l, ok := l.door.(*proxy.Listener); ok {
			l.SetProxyHeaders(next.headers[i])
		}
		if a.tasks.running() && l.stop == nil {
			l.start(&a.tasks, a.hasLeft)
		}
	}
	drain := time.Duration(cfg.Proxy.DrainTimeout)
	for _, l := range a.listeners {
		if !slices.Contains(next.listeners, l) {
			if l.leave() {
				a.leaving = append(a.leaving, l)
			}
		}
	}
	for _, s := range a.services {
		if !slices.Contains(next.services, s) {
			if s.cancel != nil { // it runs
				a.retired = append(a.retired, s)
			}
			s.retire(drain)
		}
	}
	a.cfg, a.services, a.listeners, a.faces = cfg, next.services, next.listeners, next.faces
	a.loaded = time.Now()
	a.useFinders(next.finders)
	for _, s := range a.services {
		s.complain(a, next.found)
	}
	a.log.setLevel(cfg.Log.Level)
	a.forgetGone()
}

// forgetGone drops idle connections and counters of endpoints that no service
// has any more.
func (a *App) forgetGone() {
	known := make(map[*balance.Load]bool)
	for _, s := range a.services {
		for _, c := range s.balancer.Snapshot().Candidates {
			known[c.Load] = true
		}
	}
	keep := func(l *balance.Load) bool { return known[l] }
	a.pools.Retain(keep)
	for _, s := range a.services {
		s.stats.Forget(keep)
		if t := s.tls.traffic; t != nil {
			t.Forget(keep)
		}
	}
}
