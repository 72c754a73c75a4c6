package app

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/health/orca"
	"github.com/spillway-lb/spillway/health/poll"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A loadSource says how load reports are got that do not come in responses: one of
// the two ways.
type loadSource struct {
	poll    *poll.Options
	orca    *orca.Options
	metrics []string
}

// loadSourceOf returns nil where reports come in responses, or none do.
func loadSourceOf(s *config.Service, secured *tls.Config) *loadSource {
	u := s.Utilization
	metrics, wanted := metricsOf(s)
	switch {
	case u == nil || !wanted:
		return nil
	case u.Source == "POLL":
		o := poll.Options{Interval: time.Duration(u.PollInterval), Port: u.Port, Path: u.PollPath, TLS: secured}
		return &loadSource{poll: &o, metrics: metrics}
	case u.EnableOOBLoadReport:
		o := orca.Options{Interval: time.Duration(u.OOBReportingPeriod), Port: u.Port, TLS: secured}
		return &loadSource{orca: &o, metrics: metrics}
	}
	return nil
}

// watch gets the reports of one endpoint until ctx ends.
func (s *loadSource) watch(ctx context.Context, addr string, report func(*health.LoadReport, error)) error {
	if s.poll != nil {
		return poll.Watch(ctx, *s.poll, addr, s.metrics, report)
	}
	return orca.Watch(ctx, *s.orca, addr, s.metrics, report)
}

// loadWatches get the load reports of a service's endpoints, whoever these are at
// the moment: one goroutine for each.
type loadWatches struct {
	service  string
	balancer *lb.Balancer
	stats    *proxy.Stats
	log      *slog.Logger
	changed  chan struct{} // capacity 1: there is another source

	mu     sync.Mutex
	source *loadSource // nil: none
}

func newLoadWatches(service string, b *lb.Balancer, stats *proxy.Stats, log *slog.Logger) *loadWatches {
	return &loadWatches{service: service, balancer: b, stats: stats, log: log, changed: make(chan struct{}, 1)}
}

// use makes s the source. One that says the same changes nothing.
func (w *loadWatches) use(s *loadSource) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reflect.DeepEqual(w.source, s) {
		return
	}
	w.source = s
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *loadWatches) current() *loadSource {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.source
}

// A loadKey says what is watched and how. When any of it changes, the watch is
// another.
type loadKey struct {
	id, addr string
	source   *loadSource
}

// run watches until ctx ends and every watch is gone.
func (w *loadWatches) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := make(map[loadKey]context.CancelFunc)
	for {
		snapshot := w.balancer.Snapshot()
		wanted := wantedLoads(snapshot, w.current())
		for k, stop := range running {
			if !wanted[k] {
				stop()
				delete(running, k)
			}
		}
		for k := range wanted {
			if running[k] != nil {
				continue
			}
			watching, stop := context.WithCancel(ctx)
			running[k] = stop
			wg.Go(func() { w.watch(watching, k) })
		}
		changed := snapshot.Replaced()
		if w.current() == nil {
			changed = nil // nobody is watched, whoever there is
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-w.changed:
		}
	}
}

// wantedLoads are the endpoints that this proxy uses.
func wantedLoads(s *lb.Snapshot, source *loadSource) map[loadKey]bool {
	if source == nil {
		return nil
	}
	wanted := make(map[loadKey]bool, len(s.Candidates))
	for i, c := range s.Candidates {
		if s.State(i).Standing != lb.NotInSubset {
			wanted[loadKey{c.ID, c.Addr, source}] = true
		}
	}
	return wanted
}

// watch follows one endpoint. The log hears of it when reports cannot be had, and
// when they can again.
func (w *loadWatches) watch(ctx context.Context, k loadKey) {
	reason := ""
	err := k.source.watch(ctx, k.addr, func(r *health.LoadReport, err error) {
		result := proxy.LoadReportOK
		switch {
		case err == nil:
			w.balancer.Report(k.id, r)
		case errors.Is(err, health.ErrLoadReport):
			result = proxy.LoadReportInvalid
		default:
			result = proxy.LoadReportFailed
		}
		w.stats.LoadReports[result].Add(1)
		was := reason
		if reason = ""; err != nil {
			reason = err.Error()
		}
		switch {
		case reason == was:
		case reason != "":
			w.log.Warn("no load report", "service", w.service, "endpoint", k.id, "reason", reason)
		default:
			w.log.Info("load reports again", "service", w.service, "endpoint", k.id)
		}
	})
	if ctx.Err() == nil {
		w.log.Error("load reports are not asked for", "service", w.service, "endpoint", k.id, "error", err)
	}
}
