package lb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// A Balancer chooses endpoints for one service. Its methods may be called from
// any goroutine. Create it with New.
type Balancer struct {
	snapshot atomic.Pointer[Snapshot]
	flow     *flow
	gates    *gates

	inbox inbox
	mu    sync.Mutex // held by the writer: whoever applies changes and publishes
	state state      // the writer's

	watchlist chan struct{} // capacity 1: members or checks changed
	flips     chan struct{} // capacity 1: the inbox has changes of health
	leisure   chan struct{} // capacity 1: the inbox has changes that nobody waits for
	prober    *health.Prober
	checks    [2]atomic.Uint64
	running   atomic.Bool
}

// New returns a balancer that can be picked from at once: until Run checks
// their health, everybody is a candidate. The error lists everything that is
// wrong with o.
func New(o Options) (*Balancer, error) {
	b := &Balancer{
		watchlist: make(chan struct{}, 1),
		flips:     make(chan struct{}, 1),
		leisure:   make(chan struct{}, 1),
		prober:    o.Prober,
		flow:      newFlow(o.Now, o.Seed),
	}
	b.gates = newGates(b)
	b.state.flow, b.state.gates = b.flow, b.gates
	b.state.lookout = newLookout(b, o.Seed)
	if err := b.SetOptions(o); err != nil {
		return nil, err
	}
	return b, nil
}

// SetOptions replaces everything at once: policy, endpoints, health check,
// panic. What is known of an endpoint stays with its ID: counters, the
// operator's word and, at the same address, health. When it returns, picks see
// the new state. On an error nothing has changed.
func (b *Balancer) SetOptions(o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	return b.write(func(s *state) (bool, error) {
		s.setOptions(o)
		return true, nil
	})
}

// SetGroups replaces the whole wanted set of endpoints, as SetOptions does.
func (b *Balancer) SetGroups(groups []Group) error {
	groups, err := normalize(groups)
	if err != nil {
		return err
	}
	return b.write(func(s *state) (bool, error) {
		o := s.opt
		o.Groups = groups
		if err := o.checkPorts(problems()).ErrorOrNil(); err != nil {
			return false, err
		}
		s.setOptions(o)
		return false, nil
	})
}

// SetEndpoints is SetGroups for a service with one unnamed group.
func (b *Balancer) SetEndpoints(e []balance.Endpoint) error {
	return b.SetGroups([]Group{{Endpoints: e}})
}

// SetAdmin sets the operator's word on one endpoint. It stays until the
// endpoint is removed.
func (b *Balancer) SetAdmin(id string, a Admin) error {
	return b.write(func(s *state) (bool, error) {
		m := s.find(id)
		if m == nil {
			return false, s.noEndpoint(id)
		}
		m.admin = a
		return false, nil
	})
}

// Snapshot returns the state that picks read at this moment.
func (b *Balancer) Snapshot() *Snapshot { return b.snapshot.Load() }

// Checked reports whether every endpoint's health has been checked at least
// once, or none is to be.
func (b *Balancer) Checked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.opt.HealthCheck == nil {
		return true
	}
	for _, m := range b.state.members {
		if !m.checked {
			return false
		}
	}
	return true
}

// Run checks the endpoints' health until ctx ends, and does what Sweep does every
// second. It returns nil when all it started is gone; from then on Pick fails with
// ErrClosed. A balancer runs at most once.
func (b *Balancer) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return fmt.Errorf("lb: Run was called twice")
	}
	w := b.watchAll(ctx)
	defer w.stop()
	var gather gathering
	sweeps := time.NewTicker(time.Second)
	defer sweeps.Stop()
	for {
		select {
		case <-sweeps.C:
			b.Sweep()
		case <-b.watchlist:
			w.sync()
		case <-b.flips:
			gather.flip()
		case <-b.leisure:
			gather.leisure()
		case <-gather.due:
			gather.published()
			_ = b.write(func(*state) (bool, error) { return false, nil })
		case <-ctx.Done():
			return nil
		}
	}
}
