package simulate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A run is one simulation under way.
type run struct {
	o         Options
	b         *lb.Balancer
	now       time.Duration // the clock
	endpoints []*endpoint
	byLoad    map[*balance.Load]*endpoint
	ends      queue[end]    // of requests that are under way
	agenda    queue[func()] // everything else that happens
	times     *rand.Rand
	report    health.LoadReport
	tried     []*balance.Endpoint // by the request that has just come
	total     tally
	record    recorder
	err       error // what the balancer refused to do
}

// An end is a request's that is under way.
type end struct {
	lease lb.Lease
	on    *endpoint
}

// Run simulates o. It ends early, with ctx's error, when ctx does.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &run{o: o.withDefaults(), report: health.NoLoadReport()}
	o = Options{}
	if err := r.build(); err != nil {
		return nil, err
	}
	r.script()
	if err := r.play(ctx); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// build makes the balancer and who stands behind it.
func (r *run) build() (err error) {
	r.endpoints, r.byLoad = newEndpoints(&r.o)
	r.times = rand.New(rand.NewPCG(r.o.Seed, streamTimes))
	r.report.Named = namedMetrics(r.o.Service.Groups)
	s := r.o.Service
	s.Now = func() time.Time { return r.o.Start.Add(r.now) }
	s.Seed = max(r.o.Seed, 1)
	if s.Policy == nil {
		s.Policy = balance.RoundRobin()
	}
	s.Policy = balance.Seeded(s.Policy, r.o.Seed)
	s.Log = nil
	// Nobody is there to be checked: script says when checks would have noticed.
	s.HealthCheck, s.ReportedWeights = nil, false
	r.b, err = lb.New(s)
	return err
}

// script puts on the agenda what is known beforehand.
func (r *run) script() {
	for _, f := range r.o.Failures {
		for _, e := range r.named(f.Name) {
			r.agenda.put(f.From, func() { e.down++ })
			if f.To != 0 {
				r.agenda.put(f.To, func() { e.down-- })
			}
		}
	}
	for _, s := range r.o.Scales {
		r.agenda.put(s.At, func() { r.fail(r.b.SetScaler(s.Group, s.Scaler)) })
	}
	r.check()
	r.every(time.Second, r.second)
	r.every(r.o.Bucket, func() { r.record.sample(r) })
}

// fail ends the simulation, where err is not nil.
func (r *run) fail(err error) { r.err = errors.Join(r.err, err) }

// every puts do on the agenda until the end, for the first time after d.
func (r *run) every(d time.Duration, do func()) {
	at := d
	var again func()
	again = func() {
		do()
		if at += d; at <= r.o.Duration {
			r.agenda.put(at, again)
		}
	}
	r.agenda.put(at, again)
}

// named returns the endpoint of that ID, or those of the group of that name.
func (r *run) named(name string) []*endpoint {
	var group []*endpoint
	for _, e := range r.endpoints {
		if e.id == name {
			return []*endpoint{e}
		}
		if r.o.Service.Groups[e.group].Name == name {
			group = append(group, e)
		}
	}
	return group
}

// play lets happen what happens, in its order, until the end. Of one moment,
// requests end before others begin: whoever leaves makes room.
func (r *run) play(ctx context.Context) error {
	next, more := r.o.Arrivals.Next()
	for steps := 0; ; steps++ {
		if steps%(1<<14) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if r.err != nil {
			return r.err
		}
		arrives := never
		if more {
			arrives = next.At
		}
		ends, other := r.ends.first(), r.agenda.first()
		at := min(arrives, ends, other)
		if at > r.o.Duration {
			break
		}
		r.now = max(r.now, at)
		switch at {
		case ends:
			e := r.ends.take()
			e.on.finish(r.now)
			e.lease.Done(lb.Success)
		case other:
			r.agenda.take()()
		default:
			r.arrive(next)
			next, more = r.o.Arrivals.Next()
		}
	}
	r.now = r.o.Duration
	r.record.finish(r)
	for len(r.ends.items) > 0 {
		r.ends.take().lease.Done(lb.Neutral)
	}
	return nil
}

// arrive finds an endpoint for a request. Whoever is down refuses it at once,
// and another is tried.
func (r *run) arrive(a Arrival) {
	bucket := int(r.now / r.o.Bucket)
	r.total.add(bucket)
	ask := lb.Request{Key: a.Key, Keyed: a.Keyed}
	r.tried = r.tried[:0]
	for range r.o.Tries {
		ask.Avoid = r.tried
		lease, err := r.b.Pick(context.Background(), ask)
		if err != nil {
			break
		}
		e := r.byLoad[lease.Endpoint.Load]
		if e.down == 0 {
			e.count.add(bucket)
			r.ends.put(e.accept(r.now, a.Took, r.times), end{lease, e})
			return
		}
		lease.Done(lb.Failure)
		e.count.failed++
		r.tried = append(r.tried, lease.Endpoint)
	}
	r.total.failed++
}

// second is what happens in every second: endpoints say how they are, and the
// balancer draws its conclusions.
func (r *run) second() {
	for _, e := range r.endpoints {
		if e.down == 0 {
			e.report(&r.report, r.now, 1)
			r.b.Report(e.id, &r.report)
		}
	}
	r.b.Sweep()
}
