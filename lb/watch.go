package lb

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// watches is Run's set of running health watches: one goroutine for each
// endpoint. Only Run's goroutine touches it.
type watches struct {
	b       *Balancer
	wg      sync.WaitGroup
	running map[watchKey]context.CancelFunc
}

// A watchKey says what is watched and how. When any of it changes, the watch is
// another.
type watchKey struct {
	id, addr string
	check    health.Check
}

// sync starts and stops watches until they are those that the members need.
func (w *watches) sync(ctx context.Context) {
	wanted := w.b.wantedWatches()
	for k, cancel := range w.running {
		if !wanted[k] {
			cancel()
			delete(w.running, k)
		}
	}
	for k := range wanted {
		if w.running[k] != nil {
			continue
		}
		watchCtx, cancel := context.WithCancel(ctx)
		w.running[k] = cancel
		w.wg.Go(func() { w.b.watch(watchCtx, k) })
	}
}

// stop ends all watches, waits for them, and closes the balancer.
func (w *watches) stop() {
	for _, cancel := range w.running {
		cancel()
	}
	w.wg.Wait()
	_ = w.b.write(func(s *state) (bool, error) {
		s.closed = true
		return true, nil
	})
}

func (b *Balancer) wantedWatches() map[watchKey]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.opt.HealthCheck == nil {
		return nil
	}
	wanted := make(map[watchKey]bool, len(b.state.members))
	for _, m := range b.state.members {
		wanted[watchKey{m.endpoint.ID, m.endpoint.Addr, b.state.opt.checkOf(m)}] = true
	}
	return wanted
}

// watch follows one endpoint's health until ctx ends. Checks that find nothing
// new are counted and cost the writer nothing.
func (b *Balancer) watch(ctx context.Context, k watchKey) {
	first, reason, weight := true, "", health.Weight{}
	_ = health.Watch(ctx, k.check, k.addr, func(ev health.Event) {
		if ev.Result.OK {
			b.checks[0].Add(1)
		} else {
			b.checks[1].Add(1)
		}
		if k.check.LogResults {
			b.logCheck(k.id, ev)
		}
		if ev.Result.OK && ev.Status == health.Healthy {
			b.checkPassed(k.id, ev.At, ev.Result.Took)
		}
		switch {
		case ctx.Err() != nil:
		case first || ev.Changed || ev.Reason != reason:
			b.setHealth(k, ev)
		case ev.Result.Weight != weight:
			b.noteWeight(k, ev.Result.Weight)
		}
		first, reason, weight = false, ev.Reason, ev.Result.Weight
	})
}

// leisurely is how long a change that nobody waits for may take to have its
// effect. A hundred endpoints may each report another weight with every check,
// and each change of weights is a table to be laid.
const leisurely = 250 * time.Millisecond

// noteWeight notes what a check found out of an endpoint's weight, and nothing
// else.
func (b *Balancer) noteWeight(k watchKey, w health.Weight) {
	b.inbox.put(&change{apply: func(s *state) (bool, error) {
		if m := s.watched(k); m != nil {
			logReport(&s.opt, m, w)
			m.report.note(w)
		}
		return false, nil
	}})
	select {
	case b.leisure <- struct{}{}:
	default:
	}
}

// checkOf is how a member is checked. Only where there is a HealthCheck.
func (o *Options) checkOf(m *member) health.Check {
	check, _ := o.HealthCheck.ResolvePort(o.Groups[m.group].NamedPorts) // which withDefaults has tried
	return check
}

// watched returns the member that a watch is about, or nil where it is not wanted
// any more: it is of another address, or by another check.
func (s *state) watched(k watchKey) *member {
	m := s.find(k.id)
	if m == nil || m.endpoint.Addr != k.addr || s.opt.HealthCheck == nil || s.opt.checkOf(m) != k.check {
		return nil
	}
	return m
}

// logCheck logs one check, as logConfig.enable asks for.
func (b *Balancer) logCheck(id string, ev health.Event) {
	b.mu.Lock()
	log, service := b.state.opt.Log, b.state.opt.Name
	b.mu.Unlock()
	log.LogAttrs(context.Background(), slog.LevelInfo, "health checked",
		slog.String("service", service),
		slog.String("endpoint", id),
		slog.Bool("ok", ev.Result.OK),
		slog.String("health", ev.Status.String()),
		slog.Int("streak", ev.Streak),
		slog.String("reason", ev.Result.Reason),
		slog.Duration("took", ev.Result.Took))
}

func logHealth(o Options, m *member, ev health.Event) {
	level := slog.LevelInfo
	if ev.Status != health.Healthy {
		level = slog.LevelWarn
	}
	o.Log.LogAttrs(context.Background(), level, "health changed",
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("from", m.health.String()),
		slog.String("to", ev.Status.String()),
		slog.String("reason", ev.Reason))
}
