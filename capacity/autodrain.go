package capacity

import "time"

// AutoDrain decides which groups are drained because they are ill (spec.md §3.4):
//
//	             healthy < 25 %, and fewer than half of all groups are so
//	in use ────────────────────────────────────────────────────────────────► drained
//	       ◄────────────────────────────────────────────────────────────────
//	             healthy ≥ 35 % for 60 s
//
// Where half of the groups or more are that ill, no more are drained: there would
// be nowhere to go, and it is likelier that the checks are wrong. Those that are
// drained by then stay so. The zero value has drained nobody. It is not safe for
// concurrent use.
type AutoDrain struct {
	drained map[string]recovery
}

// A recovery is since when a drained group is well enough.
type recovery struct {
	on    bool
	since time.Time
}

// recoverFor is how long that takes.
const recoverFor = 60 * time.Second

// A GroupHealth is what AutoDrain needs to know of a group.
type GroupHealth struct {
	Name string
	// Usable: it has a target above 0, whatever AutoDrain makes of it.
	Usable bool
	// Healthy and Members are as in Group.
	Healthy, Members int
}

// Observe takes in how all groups are at now, and returns which are drained from
// now on, by position. If again is not 0, that is when one of them can come back
// without anything else changing: Observe wants to be called then.
func (a *AutoDrain) Observe(now time.Time, groups []GroupHealth) (drained []bool, again time.Duration) {
	after := make(map[string]recovery)
	for _, g := range groups {
		r, is := a.drained[g.Name]
		if !is {
			continue
		}
		if r = r.observe(now, g); !r.on || now.Sub(r.since) < recoverFor {
			after[g.Name] = r
		}
	}
	if ill := illGroups(groups); 2*len(ill) < len(groups) {
		for _, name := range ill {
			after[name] = recovery{}
		}
	}
	a.drained = after
	drained = make([]bool, len(groups))
	for i, g := range groups {
		r, is := after[g.Name]
		drained[i] = is
		if rest := recoverFor - now.Sub(r.since); r.on && (again == 0 || rest < again) {
			again = rest
		}
	}
	return drained, again
}

// observe follows a drained group.
func (r recovery) observe(now time.Time, g GroupHealth) recovery {
	switch well := 100*g.Healthy >= 35*g.Members; {
	case !well:
		return recovery{}
	case r.on:
		return r
	default:
		return recovery{on: true, since: now}
	}
}

// illGroups are the names of those that ought to be drained.
func illGroups(groups []GroupHealth) []string {
	var ill []string
	for _, g := range groups {
		if g.Usable && 4*g.Healthy < g.Members {
			ill = append(ill, g.Name)
		}
	}
	return ill
}
