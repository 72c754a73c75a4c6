package lb

import (
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// state is the truth that snapshots are made from. Only the writer touches it.
type state struct {
	opt      Options // with defaults
	members  []*member
	departed []departure
	picker   balance.Picker // the last one built, for its successor to resume
	exact    bool           // the last snapshot is, see Snapshot.isExact
	edits    int            // rises when members or options are replaced
	closed   bool
	panics   uint64 // how often there was one

	panicSince time.Time // zero: there is none

	flow   *flow
	gates  *gates
	groups map[string]*groupState // of a service with capacities, by name
	// departedGroups are those no longer wanted of which leases are still held.
	departedGroups []*groupLive
	rtts           map[capacity.Place]time.Duration
	drainer        capacity.AutoDrain
	swept          int64           // when sweep ran last, by flow.clock
	keyed          bool            // of the requests before that, one had a key
	turn           uint64          // flow.turn then
	weighed        int64           // when weighLoads last did
	awaited        map[string]bool // groups whose first endpoints are warm, see settle
	lookout        *lookout
	looked         int64 // when judge last ended an interval
	observed       int64 // when observe last looked
}

// A member is an endpoint with what we know of it.
type member struct {
	endpoint *balance.Endpoint
	group    int // in Options.Groups
	level    int // of the group's endpoints: 0, or above it of its Reserves
	rank     int // among those of its group, where there is a Subsetting
	backup   bool
	idle     bool // its group has a capacity scaler of 0
	local    bool // in the zone of Options.ZonalAffinity
	admin    Admin
	health   health.Status
	reason   string            // why it is not healthy
	checked  bool              // its health has been checked at least once
	watch    *watch            // that checks it; nil: none, or not yet
	report   report            // what it said of its weight
	loaded   loaded            // what follows from its load reports
	weighed  *balance.Endpoint // endpoint with another weight, as it counts now; nil: not yet needed
	live     *endpointLive
	warming  warming // see SlowStart
	suspect  health.Suspect
	spared   spared
	standing Standing // in the last snapshot
	refusing bool     // the log says so
	counted  uint64   // leases it had got at the last sweep
	rate     float64  // leases per second between the last two
}

// find returns the member with this ID, or nil.
func (s *state) find(id string) *member {
	i, ok := slices.BinarySearchFunc(s.members, id, func(m *member, id string) int {
		return strings.Compare(m.endpoint.ID, id)
	})
	if !ok {
		return nil
	}
	return s.members[i]
}

// setOptions replaces options and members; members are matched by ID and keep
// their counters, the operator's word and, at the same address, their health.
func (s *state) setOptions(o Options) {
	known := make(map[string]*member, len(s.members)+len(s.departed))
	for _, d := range s.departed {
		known[d.endpoint.ID] = &member{endpoint: d.endpoint, counted: d.counted}
	}
	for _, m := range s.members {
		known[m.endpoint.ID] = m
	}
	members := make([]*member, 0, len(s.members))
	for i, g := range o.Groups {
		for level, endpoints := range g.levels() {
			for _, e := range endpoints {
				m := newMember(e, i, known[e.ID])
				m.level, m.backup, m.local = level, g.Backup, o.ZonalAffinity.holds(&g)
				members = append(members, m)
				delete(known, e.ID)
			}
		}
	}
	slices.SortFunc(members, func(a, b *member) int {
		return strings.Compare(a.endpoint.ID, b.endpoint.ID)
	})
	o.Subsetting.rank(members)
	s.depart(known, &s.opt)
	unchecked := s.opt.HealthCheck != nil && o.HealthCheck == nil
	before, slow := s.members, s.opt.SlowStart
	s.opt, s.members = o, members
	s.settle(before)
	if !o.SlowStart.equal(slow) {
		s.warmUp(s.flow.clock()) // else with the next sweep
	}
	s.edits++
	s.setLookout()
	s.keepGroups()
	if o.HealthCheck == nil {
		for _, m := range members {
			if unchecked || !m.checked { // else SetHealth has said how it is
				m.health, m.reason, m.checked = health.Healthy, "", false
			}
		}
	}
	if o.HealthCheck == nil || !o.HealthCheck.ReportsWeight() {
		for _, m := range members {
			m.report = report{} // nobody would ever correct it
		}
	}
}

// newMember makes the member for e. old is the one with the same ID, or nil.
func newMember(e balance.Endpoint, group int, old *member) *member {
	m := &member{endpoint: &e, group: group, live: new(endpointLive)}
	if old != nil {
		e.Load = old.endpoint.Load
		m.admin = old.admin
		if e.Addr == old.endpoint.Addr {
			m.health, m.reason, m.checked, m.watch = old.health, old.reason, old.checked, old.watch
			m.report, m.loaded, m.warming = old.report, old.loaded, old.warming
			m.suspect, m.standing, m.refusing = old.suspect, old.standing, old.refusing
			m.spared = old.spared
			if old.live != nil {
				m.live = old.live
			}
		}
		m.counted, m.rate = old.counted, old.rate
		if e == *old.endpoint {
			// The same values: what is keyed by them stays.
			m.endpoint, m.weighed = old.endpoint, old.weighed
		}
	}
	if e.Load == nil {
		e.Load = new(balance.Load)
	}
	return m
}

// snapshot makes the snapshot that follows prev, or returns prev where neither
// picks nor those who watch the endpoints' states would notice a difference.
func (s *state) snapshot(prev *Snapshot, rebuild bool) *Snapshot {
	next := &Snapshot{err: ErrNoEndpoint, sticky: make([]bool, len(s.members)), flow: s.flow, replaced: make(chan struct{})}
	if prev == nil {
		prev, rebuild = &Snapshot{}, true
	} else {
		next.Version = prev.Version + 1
	}
	if s.closed {
		next.err = ErrClosed
		return next
	}
	if s.opt.CircuitBreakers != nil {
		next.gates, next.breakers = s.gates, s.opt.CircuitBreakers
	}
	d := s.decide(prev, next)
	same := !rebuild && slices.Equal(prev.Candidates, next.Candidates)
	if s.opt.hasCapacity() {
		next.plan = s.makePlan(prev.plan, &d, next.Candidates, rebuild)
	}
	if same && next.plan.equal(prev.plan) && slices.Equal(prev.sticky, next.sticky) && slices.Equal(prev.states, next.states) &&
		prev.Pool == next.Pool && prev.reported == next.reported && prev.panic == next.panic && prev.shedding.equal(next.shedding) {
		return prev
	}
	if same {
		next.chooser, next.since = prev.chooser, prev.since
		next.hurry()
		return next
	}
	next.since = make([]uint64, len(s.members))
	for i, m := range s.members {
		next.since[i] = m.endpoint.Load.Started()
	}
	if next.plan == nil && next.total > 0 {
		next.last = s.picker
		next.candidates = next.Candidates
		next.make(s.opt.Policy)
		s.picker = next.last
	}
	next.hurry()
	return next
}

// decide fills in who may be picked, and logs what people want to know of it.
func (s *state) decide(prev, next *Snapshot) ruling {
	drained := s.drainedGroups()
	for _, m := range s.members {
		m.idle = drained[m.group]
	}
	now := s.flow.clock()
	s.pardon(now)
	s.noteCold(now)
	d := eligible(s.members, s.opt.rules())
	next.Candidates = make([]balance.Candidate, len(s.members))
	next.lives = make([]*endpointLive, len(s.members))
	next.states, next.Pool, next.reported = s.states(d.standings), d.pool, d.reported
	for i, m := range s.members {
		next.Candidates[i] = balance.Candidate{Endpoint: m.weighing(d.weights[i]), Share: d.shares[i]}
		next.sticky[i] = d.shares[i] > 0 || keepsSessions(m, s.opt.MoveSessions)
		next.total += uint64(d.shares[i])
		next.lives[i] = m.live
		m.warming.note(d.parts, i)
		m.standing = d.standings[i]
	}
	s.panicFrom(&d, prev, next)
	logPool(&s.opt, prev.Pool, &d)
	logWeights(&s.opt, s.members, prev.reported, d.reported)
	return d
}
