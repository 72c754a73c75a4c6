package doctor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

const (
	// flowsEach is how many flows per endpoint a verdict on their distribution
	// takes (spec.md §5.4, §11.2 A).
	flowsEach = 10
	// byChance is how unlikely a distribution must be to be called uneven, and
	// worthwhile by how much of what it should get an endpoint must be off.
	byChance, worthwhile = 1e-5, 0.10
	// enoughExpected is of how many flows on chi-square may be trusted: where fewer are
	// to be expected, chance alone makes it large (Cochran's rule).
	enoughExpected = 5
)

// A tally is what an endpoint got, beside what it should have got.
type tally struct {
	id        string
	got, want float64
	failures  float64
	due       bool // it is to get something
}

// A scope is endpoints among which traffic is to be spread by their shares: those of
// a group with a capacity, which decides by itself how much comes, or of a service.
type scope struct {
	group   string
	tallies []tally
	// quiet is how many of the intervals between readings count: in the others
	// shares have changed.
	quiet, intervals int
	changed          string // what did
}

// scopes adds up the intervals between readings in which shares stood still: what
// each endpoint got of what there was, and what its share of that was.
func (c course) scopes() []*scope {
	last := c.last()
	groups := 1
	if hasCapacity(last) {
		groups = len(last.Groups)
	}
	var all []*scope
	for g := range groups {
		s := &scope{intervals: len(c) - 1}
		if groups > 1 {
			s.group = last.Groups[g].Name
		}
		for _, e := range within(last, g, groups) {
			s.tallies = append(s.tallies, tally{id: e.ID})
		}
		for i := range len(c) - 1 {
			s.add(within(c[i], g, groups), within(c[i+1], g, groups), groups > 1 || c[i].Version == c[i+1].Version)
		}
		all = append(all, s)
	}
	return all
}

func hasCapacity(s *admin.ServiceStatus) bool {
	return slices.ContainsFunc(s.Groups, func(g admin.GroupStatus) bool { return g.GroupCapacity != nil })
}

// within returns the endpoints of group g, or all if there is no telling apart.
func within(s *admin.ServiceStatus, g, groups int) (all []*admin.EndpointStatus) {
	if groups == 1 {
		return endpoints(s)
	}
	if g >= len(s.Groups) {
		return nil
	}
	for e := range s.Groups[g].Endpoints {
		all = append(all, &s.Groups[g].Endpoints[e])
	}
	return all
}

// add adds what has come between two readings, if shares were the same all along.
func (s *scope) add(from, to []*admin.EndpointStatus, sameVersion bool) {
	if !sameVersion || len(from) != len(to) || len(to) != len(s.tallies) {
		s.changed = "endpoints or their shares"
		return
	}
	var before, after, flows float64
	for i := range from {
		before += from[i].ShareExpected
		after += to[i].ShareExpected
		flows += float64(grown(from[i].Requests, to[i].Requests))
	}
	for i := range from {
		a, b := ratio(from[i].ShareExpected, before), ratio(to[i].ShareExpected, after)
		if from[i].ID != to[i].ID || to[i].ID != s.tallies[i].id || math.Abs(a-b) > 1e-3 {
			s.changed = "shares of " + to[i].ID
			return
		}
	}
	s.quiet++
	for i := range from {
		t := &s.tallies[i]
		t.due = t.due || to[i].ShareExpected > 0
		t.got += float64(grown(from[i].Requests, to[i].Requests))
		t.want += flows * ratio(to[i].ShareExpected, after)
		t.failures += float64(grown(from[i].Failures, to[i].Failures))
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// A verdict is what a distribution looks like.
type verdict struct {
	flows     float64
	endpoints int     // that are to get some
	cells     int     // of the statistic
	few       bool    // too few flows for a verdict
	statistic float64 // chi-square
	p         float64
	effect    float64 // of worst: by how much of what it should have got it is off
	worst     tally
}

// judge compares what was got with what was to be expected. Endpoints of which fewer
// than least flows were are looked at together.
func judge(tallies []tally, least float64) (v verdict) {
	var got, want []float64
	for _, t := range tallies {
		v.flows += t.got
		if t.due {
			v.endpoints++
		}
	}
	for _, t := range pooled(tallies, least) {
		got, want = append(got, t.got), append(want, t.want)
		if off := math.Abs(t.got-t.want) / t.want; off > v.effect || v.worst.id == "" {
			v.effect, v.worst = off, t
		}
	}
	v.cells = len(got)
	v.few = v.flows < flowsEach*float64(v.endpoints)
	v.statistic = chiSquare(got, want)
	v.p = chance(v.statistic, v.cells-1)
	return v
}

// pooled returns the tallies of those who were to get something, in the order of how
// much, and those of which too little is expected as one, by the ID of the one that is
// furthest off.
func pooled(tallies []tally, least float64) (all []tally) {
	due := slices.DeleteFunc(slices.Clone(tallies), func(t tally) bool { return !t.due || t.want == 0 })
	slices.SortStableFunc(due, func(a, b tally) int { return cmp.Compare(a.want, b.want) })
	var pool tally
	furthest := -1.0
	for i, t := range due {
		if off := math.Abs(t.got - t.want); off > furthest {
			furthest, pool.id = off, t.id
		}
		pool.got += t.got
		pool.want += t.want
		if pool.want >= least || i == len(due)-1 {
			all = append(all, pool)
			pool, furthest = tally{}, -1
		}
	}
	return all
}

// uneven reports whether that can be neither chance nor a trifle.
func (v *verdict) uneven() bool {
	return v.cells > 1 && !v.few && v.p < byChance && v.effect > worthwhile
}

// figures is a distribution as evidence shows it, the most uneven first.
func figures(tallies []tally, flows float64) string {
	const most = 6
	shown := slices.DeleteFunc(slices.Clone(tallies), func(t tally) bool { return t.want <= 0 && t.got == 0 })
	slices.SortStableFunc(shown, func(a, b tally) int {
		switch x, y := math.Abs(a.got-a.want), math.Abs(b.got-b.want); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	var parts []string
	for _, t := range shown[:min(len(shown), most)] {
		parts = append(parts, fmt.Sprintf("%s %s instead of %s", t.id, percent(ratio(t.got, flows)), percent(ratio(t.want, flows))))
	}
	if n := len(shown) - most; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", ")
}

func judgeUneven(at place, f *Facts, c course) {
	if len(c) < 2 || c.last().Policy == "ORIGINAL_DESTINATION" { // clients choose for themselves
		return
	}
	for _, s := range c.scopes() {
		v := judge(s.tallies, enoughExpected)
		switch {
		case v.endpoints < 2 && s.quiet > 0:
		case s.quiet == 0:
			at.note("uneven", fmt.Sprintf("%schanged all the time: there is no distribution to judge", inGroup(s.group, "", s.changed+" ")),
				"look again when the service has come to rest, or with a longer --duration")
		case v.few:
			at.note("uneven", fmt.Sprintf("%s%s in %v are too few for a verdict on how they are spread: %d endpoints need %d",
				inGroup(s.group, "", ""), plural(int(v.flows), "flow", "flows"), round(f.window()), v.endpoints, flowsEach*v.endpoints),
				"look again with a longer --duration, or when there is more traffic")
		case v.uneven():
			explainUneven(at, f, c, s, &v)
		}
	}
}

// inGroup says which group it is about, if one.
func inGroup(group, before, after string) string {
	if group == "" {
		return before + after
	}
	return before + "group " + group + ": " + after
}

func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
