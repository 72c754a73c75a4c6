package simulate

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// coresWithoutQueue is how many requests under way are a utilization of 1 where
// nobody has said how many cores there are.
const coresWithoutQueue = 4

// An endpoint is what stands behind one endpoint of the balancer: how long it
// takes, how many at once, whether it is there at all.
type endpoint struct {
	id    string
	group int
	load  *balance.Load
	time  ServiceTime
	cores int             // 0: as many as it takes
	free  []time.Duration // when each core has nothing more to do
	down  int             // failures that it is in

	active  int           // leases: worked on or waiting
	busy    float64       // core·seconds since the last report
	changed time.Duration // when active changed last
	started int           // since the last report

	count tally
}

// newEndpoints makes everybody that o's service has, and gives each the Load by
// which it is known again.
func newEndpoints(o *Options) ([]*endpoint, map[*balance.Load]*endpoint) {
	var all []*endpoint
	byLoad := make(map[*balance.Load]*endpoint)
	groups := slices.Clone(o.Service.Groups)
	for g := range groups {
		group := &groups[g]
		stand := func(list []balance.Endpoint) []balance.Endpoint {
			list = slices.Clone(list)
			for i := range list {
				list[i].Load = new(balance.Load)
				e := o.endpoint(&list[i], group.Name)
				e.group = g
				all = append(all, e)
				byLoad[e.load] = e
			}
			return list
		}
		group.Endpoints = stand(group.Endpoints)
		group.Reserves = slices.Clone(group.Reserves)
		for i := range group.Reserves {
			group.Reserves[i] = stand(group.Reserves[i])
		}
	}
	o.Service.Groups = groups
	slices.SortFunc(all, func(a, b *endpoint) int { return strings.Compare(a.id, b.id) })
	return all, byLoad
}

// endpoint makes what stands behind spec.
func (o *Options) endpoint(spec *balance.Endpoint, group string) *endpoint {
	e := &endpoint{id: idOf(spec), load: spec.Load, time: o.ServiceTime, cores: o.Cores, free: make([]time.Duration, o.Cores)}
	for _, name := range []string{e.id, group} {
		if t, ok := o.ServiceTimes[name]; ok {
			e.time = t
			break
		}
	}
	return e
}

// accept takes a request at the time now and returns when it will be answered.
func (e *endpoint) accept(now, took time.Duration, times *rand.Rand) time.Duration {
	e.work(now)
	e.active++
	e.started++
	if mean := e.time.Mean; mean > 0 {
		took = mean
		if e.time.Exponential {
			took = time.Duration(times.ExpFloat64() * float64(mean))
		}
	} else if took < 0 {
		took = defaultServiceTime
	}
	if e.cores == 0 {
		return now + took
	}
	// First come, first served: the core that is free first takes the next one,
	// so its end is known when it comes.
	first := 0
	for i, t := range e.free {
		if t < e.free[first] {
			first = i
		}
	}
	e.free[first] = max(now, e.free[first]) + took
	return e.free[first]
}

func (e *endpoint) finish(now time.Duration) {
	e.work(now)
	e.active--
}

// work counts what the cores have done until now.
func (e *endpoint) work(now time.Duration) {
	busy := e.active
	if e.cores > 0 {
		busy = min(busy, e.cores)
	}
	e.busy += float64(busy) * (now - e.changed).Seconds()
	e.changed = now
}

// report fills in what the endpoint says of its load since the last report,
// seconds ago: every metric of utilization is the part of its cores that was
// busy.
func (e *endpoint) report(r *health.LoadReport, now time.Duration, seconds float64) {
	e.work(now)
	cores := e.cores
	if cores == 0 {
		cores = coresWithoutQueue
	}
	u := e.busy / seconds / float64(cores)
	r.CPU, r.Memory, r.Application = u, min(u, 1), u
	r.RPS, r.EPS = float64(e.started)/seconds, 0
	for i := range r.Named {
		r.Named[i].Value = u
	}
	e.busy, e.started = 0, 0
}

// namedMetrics lists the metrics of their own that endpoints are asked for.
func namedMetrics(groups []lb.Group) []health.NamedMetric {
	var named []health.NamedMetric
	for _, g := range groups {
		for _, m := range g.Capacity.CustomMetrics {
			name, ok := strings.CutPrefix(m.Name, "orca.named_metrics.")
			if ok && !slices.ContainsFunc(named, func(n health.NamedMetric) bool { return n.Name == name }) {
				named = append(named, health.NamedMetric{Name: name})
			}
		}
	}
	return named
}
