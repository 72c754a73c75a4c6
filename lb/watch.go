package lb

import (
	"context"
	"log/slog"

	"github.com/spillway-lb/spillway/health"
)

// watches are what Run has checked. Only Run's goroutine touches them.
type watches struct {
	b       *Balancer
	prober  *health.Prober
	end     func()            // of a prober that is Run's own
	running map[string]*watch // by the endpoint's ID
}

// A watch is one endpoint being checked. When its address or its check changes,
// the watch is another.
type watch struct {
	b        *Balancer
	id, addr string
	check    *health.Check // that of its group
	probe    *health.Probe

	// What was reported last. Only report touches it.
	known  bool
	reason string
	weight health.Weight
}

// watchAll begins to have the members checked, by Options.Prober or one of its own.
func (b *Balancer) watchAll(ctx context.Context) *watches {
	w := &watches{b: b, prober: b.prober, end: func() {}, running: make(map[string]*watch)}
	if w.prober == nil {
		w.prober = new(health.Prober)
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = w.prober.Run(ctx)
		}()
		w.end = func() { cancel(); <-done }
	}
	w.sync()
	return w
}

// sync starts and stops watches until they are those that the members need. Those
// that are new begin before old ones end: what both ask is asked on.
func (w *watches) sync() {
	wanted := w.wanted()
	var old []*watch
	for id, was := range w.running {
		if wanted[id] != was {
			old = append(old, was)
		}
	}
	for id, is := range wanted {
		if is.probe != nil {
			continue
		}
		probe, err := w.prober.Add(*is.check, is.addr, is.report)
		if err != nil { // not a Check's, withDefaults has tried that; the Prober's Checker
			w.b.logger().Error("endpoint is not checked", "endpoint", id, "error", err)
			delete(wanted, id)
			continue
		}
		is.probe = probe
	}
	for _, was := range old {
		was.probe.Stop()
	}
	w.running = wanted
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	for _, m := range w.b.state.members {
		m.watch = wanted[m.endpoint.ID]
	}
}

// wanted returns the watches that are needed, those that run already among them.
func (w *watches) wanted() map[string]*watch {
	b := w.b
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.state
	if s.opt.HealthCheck == nil {
		return nil
	}
	checks := make([]*health.Check, len(s.opt.Groups))
	wanted := make(map[string]*watch, len(s.members))
	for _, m := range s.members {
		if checks[m.group] == nil {
			check := s.opt.checkOf(m)
			checks[m.group] = &check
		}
		is := w.running[m.endpoint.ID]
		if is == nil || is != m.watch || is.addr != m.endpoint.Addr || *is.check != *checks[m.group] {
			is = &watch{b: b, id: m.endpoint.ID, addr: m.endpoint.Addr, check: checks[m.group]}
		}
		wanted[is.id] = is
	}
	return wanted
}

// stop ends all watches, and closes the balancer.
func (w *watches) stop() {
	for _, is := range w.running {
		is.probe.Stop()
	}
	w.end()
	_ = w.b.write(func(s *state) (bool, error) {
		s.closed = true
		return true, nil
	})
}

// report takes in a check. One that finds nothing new is counted and costs the
// writer nothing.
func (w *watch) report(ev health.Event) {
	b := w.b
	if !ev.Restored {
		w.ended(ev)
	}
	switch {
	case !w.known || ev.Changed:
		b.note(w, ev)
		signal(b.flips)
	case ev.Reason != w.reason, ev.Result.Weight != w.weight:
		b.note(w, ev)
		signal(b.leisure)
	}
	w.known, w.reason, w.weight = true, ev.Reason, ev.Result.Weight
}

// ended counts a check, and sees what it says beside the endpoint's health.
func (w *watch) ended(ev health.Event) {
	b := w.b
	if ev.Result.OK {
		b.checks[0].Add(1)
	} else {
		b.checks[1].Add(1)
	}
	if w.check.LogResults {
		b.logCheck(w.id, ev)
	}
	if ev.Result.OK && ev.Status == health.Healthy {
		w.passed(ev.At, ev.Result.Took)
	}
}

// note leaves what a check found for the writer.
func (b *Balancer) note(w *watch, ev health.Event) {
	b.inbox.put(&change{apply: func(s *state) (bool, error) {
		if m := s.watched(w); m != nil {
			s.found(m, ev)
		}
		return false, nil
	}})
}

// found is what a check says of a member.
func (s *state) found(m *member, ev health.Event) {
	to := ev.Status
	if to == health.Unknown {
		to = m.health // a changed check counts anew, and knows no better yet
	}
	if m.health != to {
		logHealth(s.opt, m, ev)
	}
	logReport(&s.opt, m, ev.Result.Weight)
	m.report.note(ev.Result.Weight)
	m.health, m.checked = to, true
	m.reason = ""
	if to != health.Healthy {
		m.reason = ev.Reason
	}
}

// checkOf is how a member is checked. Only where there is a HealthCheck.
func (o *Options) checkOf(m *member) health.Check {
	check, _ := o.HealthCheck.ResolvePort(o.Groups[m.group].NamedPorts) // which withDefaults has tried
	return check
}

// watched returns the member that a watch is about, or nil where it is not wanted
// any more: it is of another address, or by another check.
func (s *state) watched(w *watch) *member {
	m := s.find(w.id)
	if m == nil || m.endpoint.Addr != w.addr || s.opt.HealthCheck == nil || s.opt.checkOf(m) != *w.check {
		return nil
	}
	return m
}

// checks returns what is known of the member's checks.
func (m *member) checks() CheckStatus {
	if m.watch == nil || m.watch.probe == nil {
		return CheckStatus{}
	}
	s := m.watch.probe.Status()
	return CheckStatus{Done: s.Checks, Since: s.Since, Streak: s.Streak, Next: s.Next, Flaps: s.Flaps, probe: m.watch.probe}
}

// logCheck logs one check, as logConfig.enable asks for.
func (b *Balancer) logCheck(id string, ev health.Event) {
	b.logger().LogAttrs(context.Background(), slog.LevelInfo, "health checked",
		slog.String("endpoint", id),
		slog.Bool("ok", ev.Result.OK),
		slog.String("health", ev.Status.String()),
		slog.Int("streak", ev.Streak),
		slog.String("reason", ev.Result.Reason),
		slog.Duration("took", ev.Result.Took))
}

// logger is the log, for who is not the writer.
func (b *Balancer) logger() *slog.Logger {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.opt.Log.With("service", b.state.opt.Name)
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
