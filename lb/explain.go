package lb

import (
	"slices"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
)

// An Explanation says whom Pick chooses for a request, and why. It is of the
// moment when it was made: without a key the next request may fare otherwise.
type Explanation struct {
	// Endpoint is who was chosen; nil if nobody can be had, and then Err is the
	// error that Pick returns.
	Endpoint *balance.Endpoint
	Err      error
	// How says how it was found.
	How How
	// Group is the name of Endpoint's group, and Home of the one that the request
	// belongs to by its key or in turn; that is elsewhere where Home has no room. Home
	// is empty without capacities, and where Home is nobody's.
	Group, Home string
	// Overfilled: all groups are full, and this is one of those that go in proportion
	// to capacity then.
	Overfilled bool
	// Sheds is the part of requests, 0 to 1, that is refused in a panic of PanicShed. The
	// explanation is of one that is not.
	Sheds float64
	// Queue is what the service's circuit breakers have come to; nil: it has none. Where
	// they let nobody in, Err is their refusal, and CanWait says whether one may wait.
	Queue *QueueStatus
	// Version is that of the snapshot that was asked.
	Version uint64
	// Tiers are of a service with capacities, in the order in which they are filled.
	Tiers []TierExplained
	// Candidates are all endpoints, sorted by ID.
	Candidates []Candidacy
}

// A How says how a pick has found its endpoint.
type How uint8

const (
	// NotFound: nobody can be had.
	NotFound How = iota
	// BySession: the request is bound to it, see Request.Sticky.
	BySession
	// ByPolicy: it is the policy's choice.
	ByPolicy
	// ByAlternative: the policy's choice cannot be had, and this is who comes next.
	ByAlternative
)

// A TierExplained is groups that are filled together.
type TierExplained struct {
	Region string
	Groups []GroupExplained
}

// A GroupExplained is what became of one group.
type GroupExplained struct {
	// GroupStatus is without Endpoints.
	GroupStatus
	// Dropped says why the request does not go there, as for a Candidacy; empty where
	// it could.
	Dropped string
}

// A Candidacy is what became of one endpoint.
type Candidacy struct {
	Endpoint *balance.Endpoint
	Group    string
	// Share is the part of new traffic that it should get, from 0 to 1.
	Share float64
	// Warm is 1, or while it warms up the part of its weight that counts.
	Warm float64
	// Dropped says why it could not be chosen: its Standing, or one of the
	// Dropped… constants. It is empty for those that could.
	Dropped string
}

// Why somebody who takes new traffic could not be chosen all the same.
const (
	// DroppedAvoided: Request.Avoid has it.
	DroppedAvoided = "AVOIDED"
	// DroppedAtMax: it holds as many leases as its Max allows.
	DroppedAtMax = "AT_MAX"
	// DroppedNotDialed: the policy takes nobody but whom the client has dialed.
	DroppedNotDialed = "NOT_DIALED"
	// DroppedGroupFull: its group is used to capacity.
	DroppedGroupFull = "GROUP_FULL"
	// DroppedGroupCrowded: its group is nearly full, and lets in as many as fit.
	DroppedGroupCrowded = "GROUP_CROWDED"
	// DroppedKeyTurnedAway: its group has more keys than it can serve, and this is one
	// of those that go elsewhere.
	DroppedKeyTurnedAway = "KEY_TURNED_AWAY"
	// DroppedGroupDrained: its group is drained, by its scaler or automatically.
	DroppedGroupDrained = "GROUP_DRAINED"
	// DroppedNobody: of a group, that each of its endpoints is dropped.
	DroppedNobody = "NOBODY"
	// DroppedLaterTier: nearer groups have room.
	DroppedLaterTier = "LATER_TIER"
	// DroppedIsolated: traffic does not leave the region where it is to stay.
	DroppedIsolated = "ISOLATED"
)

// Explain says whom Pick would choose for r, and why. It goes the same way as
// Pick, but takes no lease and counts nowhere; all that is used up is a turn, of
// what goes in turns. It may be called from any goroutine.
func (b *Balancer) Explain(r Request) Explanation {
	b.mu.Lock()
	s := b.snapshot.Load()
	status := b.status(s)
	b.mu.Unlock()
	t := newTrace()
	r.trace = t
	l, err := s.search(&r)
	if refusal := s.refusal(&r); refusal != nil {
		l, err = Lease{}, refusal
	}
	x := Explanation{Endpoint: l.Endpoint, Err: err, Sheds: s.shedding.refused(), Queue: status.Queue, Version: s.Version, Overfilled: t.overfull && err == nil}
	winner := -1
	if err == nil {
		winner, _ = s.byID(l.Endpoint.ID)
		x.Group, x.How = s.states[winner].Group, t.how()
	}
	groups := s.plan.dropped(t, winner)
	x.Candidates = make([]Candidacy, len(s.Candidates))
	for i, c := range s.Candidates {
		x.Candidates[i] = Candidacy{Endpoint: c.Endpoint, Group: s.states[i].Group, Share: s.share(i, status.Groups), Warm: s.warm(i)}
		if i != winner {
			x.Candidates[i].Dropped = s.dropped(i, &r, groups)
		}
	}
	if s.plan != nil {
		s.plan.noteDeserted(groups, x.Candidates, winner)
		x.Tiers = s.plan.explained(groups, &status)
		if t.home >= 0 {
			x.Home = s.plan.given[t.home].Name
		}
	}
	return x
}

func (t *trace) how() How {
	switch {
	case t.session:
		return BySession
	case t.first:
		return ByPolicy
	default:
		return ByAlternative
	}
}

// dropped says why candidate i, who was not chosen, could not be. groups says the
// same of the groups.
func (s *Snapshot) dropped(i int, r *Request, groups []string) string {
	e := s.Candidates[i].Endpoint
	switch {
	case s.states[i].Standing != InUse:
		return s.states[i].Standing.String()
	case avoids(r.Avoid, e):
		return DroppedAvoided
	case s.plan != nil && groups[s.plan.groupOf[i]] != "":
		return groups[s.plan.groupOf[i]]
	case r.trace.atMax[e.ID]:
		return DroppedAtMax
	case s.exact != nil:
		return DroppedNotDialed
	case e.Max > 0 && e.Load.Active() >= e.Max:
		return DroppedAtMax
	}
	return ""
}

// dropped says of each group why the pick does not go there; empty where it could.
// winner is the candidate that was chosen, negative if nobody was. p may be nil.
func (p *plan) dropped(t *trace, winner int) []string {
	if p == nil {
		return nil
	}
	chosen := -1
	if winner >= 0 {
		chosen = p.groupOf[winner]
	}
	out := make([]string, len(p.groups))
	for g := range p.groups {
		tier := p.groups[g].tier
		switch {
		case g == chosen:
		case p.idle(g):
			out[g] = DroppedGroupDrained
		case tier < 0 || t.home >= 0 && p.Isolated && p.given[g].Region != p.given[t.home].Region:
			out[g] = DroppedIsolated
		case t.overfull: // all that are not out of the question get their part
		case t.refused[g] != "":
			out[g] = t.refused[g]
		case p.entry == nil && chosen >= 0 && !t.session && tier > p.groups[chosen].tier:
			// Where traffic begins in several tiers, none is later for all of it.
			out[g] = DroppedLaterTier
		}
	}
	return out
}

// noteDeserted fills in the groups that have room, but nobody who could be chosen.
func (p *plan) noteDeserted(groups []string, candidates []Candidacy, winner int) {
	some := make([]bool, len(groups))
	for i, c := range candidates {
		some[p.groupOf[i]] = some[p.groupOf[i]] || i == winner || c.Dropped == ""
	}
	for g := range groups {
		if groups[g] == "" && !some[g] {
			groups[g] = DroppedNobody
		}
	}
}

// explained describes the tiers, with what status knows of their groups.
func (p *plan) explained(dropped []string, status *Status) []TierExplained {
	out := make([]TierExplained, len(p.Tiers))
	for i, t := range p.Tiers {
		out[i] = p.tierExplained(&t, dropped, status)
	}
	return out
}

func (p *plan) tierExplained(t *capacity.Tier, dropped []string, status *Status) TierExplained {
	x := TierExplained{Region: t.Region, Groups: make([]GroupExplained, len(t.Groups))}
	for i, g := range t.Groups {
		name := p.given[g].Name
		x.Groups[i] = GroupExplained{GroupStatus: GroupStatus{Name: name}, Dropped: dropped[g]}
		if at := slices.IndexFunc(status.Groups, func(s GroupStatus) bool { return s.Name == name }); at >= 0 {
			x.Groups[i].GroupStatus = status.Groups[at]
			x.Groups[i].Endpoints = nil
		}
	}
	return x
}
