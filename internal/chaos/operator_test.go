//go:build linux

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// An operator is who makes chaos: one thing after the other, at random.
type operator struct {
	proxy     *proxy
	chronicle *chronicle
	dice      *rand.Rand
	endpoints []*endpoint
	gone      map[string]bool // removed from the file
	ends      []end           // of what goes on, the next one first
	upgraded  time.Time
	scale     time.Duration // the unit of how long things last
}

// An end is when something stops, and how.
type end struct {
	at   time.Time
	host string
	do   func() error
}

// Of twenty endpoints so many are in trouble at a time, at most.
const troubled = 6

// reign makes chaos until the end, and then peace.
func (o *operator) reign(length time.Duration) error {
	for over := time.Now().Add(length); time.Now().Before(over); {
		if err := o.act(); err != nil {
			return err
		}
		time.Sleep(o.scale / 2)
		if err := o.finish(time.Now()); err != nil {
			return err
		}
	}
	return o.finish(time.Now().Add(time.Hour))
}

// finish ends what is to end by then.
func (o *operator) finish(by time.Time) error {
	slices.SortFunc(o.ends, func(a, b end) int { return a.at.Compare(b.at) })
	for len(o.ends) > 0 && o.ends[0].at.Before(by) {
		e := o.ends[0]
		o.ends = o.ends[1:]
		if err := e.do(); err != nil {
			return fmt.Errorf("ending what befell %s: %w", e.host, err)
		}
	}
	return nil
}

func (o *operator) act() error {
	switch n := o.dice.IntN(20); {
	case n == 0:
		return o.upgrade()
	case n <= 2:
		return o.remove()
	case n <= 4:
		return o.reload()
	case n <= 7:
		return o.drain()
	default:
		return o.fault()
	}
}

// pick chooses an endpoint that nothing befalls, or nil.
func (o *operator) pick() *endpoint {
	if len(o.ends) >= troubled {
		return nil
	}
	e := o.endpoints[o.dice.IntN(len(o.endpoints))]
	if slices.ContainsFunc(o.ends, func(d end) bool { return d.host == e.host }) {
		return nil
	}
	return e
}

// lasting begins an episode, and has it end after a while.
func (o *operator) lasting(e *endpoint, what string, begin, stop func() error) error {
	over := o.chronicle.begin(e.host, what)
	o.ends = append(o.ends, end{
		at:   time.Now().Add(o.scale + time.Duration(o.dice.Int64N(int64(6*o.scale)))),
		host: e.host,
		do: func() error {
			defer over()
			return stop()
		},
	})
	if err := begin(); err != nil {
		return fmt.Errorf("%s %s: %w", what, e.host, err)
	}
	return nil
}

func (o *operator) fault() error {
	e := o.pick()
	if e == nil {
		return nil
	}
	behaviour := func(what string) error {
		return o.lasting(e, what, func() error { return e.behave(what) }, func() error { return e.behave("") })
	}
	switch what := faults[o.dice.IntN(len(faults))]; what {
	case killed:
		return o.lasting(e, what, e.kill, e.start)
	case frozen:
		return o.lasting(e, what, func() error { return e.freeze(true) }, func() error { return e.freeze(false) })
	case cut:
		if !canCutOff() {
			return nil
		}
		return o.lasting(e, what, func() error { return cutOff(e.host, true) }, func() error { return cutOff(e.host, false) })
	default:
		return behaviour(what)
	}
}

// drain tells all services that nobody new is to go there.
func (o *operator) drain() error {
	e := o.pick()
	if e == nil {
		return nil
	}
	say := func(word string) func() error {
		return func() error {
			for _, s := range []string{"web", "session", "stream"} {
				if o.gone[e.host] {
					return nil
				}
				if err := o.proxy.admin("POST", "/api/v1/services/"+s+"/endpoints/"+e.host, map[string]string{"admin": word}, nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return o.lasting(e, drained, say("DRAIN"), say("READY"))
}

// remove takes an endpoint out of the file for a while.
func (o *operator) remove() error {
	e := o.pick()
	if e == nil {
		return nil
	}
	set := func(gone bool) func() error {
		return func() error {
			o.gone[e.host] = gone
			return o.reload()
		}
	}
	return o.lasting(e, removed, set(true), set(false))
}

// reload writes the file anew, in another order, and has it read.
func (o *operator) reload() error {
	o.chronicle.did("reloads")
	var hosts []string
	for _, i := range o.dice.Perm(len(o.endpoints)) {
		if h := o.endpoints[i].host; !o.gone[h] {
			hosts = append(hosts, h)
		}
	}
	o.proxy.write(hosts)
	return o.proxy.admin("POST", "/api/v1/reload", nil, nil)
}

// upgrade replaces the proxy, if the last time is some time ago.
func (o *operator) upgrade() error {
	if time.Since(o.upgraded) < 4*o.scale {
		return nil
	}
	o.upgraded = time.Now()
	o.chronicle.upgraded()
	return o.proxy.upgrade()
}
