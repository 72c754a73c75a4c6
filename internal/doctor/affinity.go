package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// worthLosing is the part of sessions or keys that may find themselves elsewhere before
// that is worth a finding.
const worthLosing = 0.01

// judgeAffinity is of clients that did not stay where they were (spec.md §11.3 2): how
// many, as far as somebody has counted, and why.
func judgeAffinity(at place, f *Facts, c course) {
	switch s := c.last(); {
	case s.Affinity == "NONE" || len(c) < 2:
	case s.Affinity == "STRONG_COOKIE_AFFINITY":
		judgeSessions(at, f, c)
	default:
		judgeKeys(at, f, c)
	}
}

// affinities is how much one of the results has grown.
func (c course) affinities(result string) uint64 {
	return grown(c.first().AffinityResults[result], c.last().AffinityResults[result])
}

// tooManyLost reports whether so many are neither an accident nor a trifle.
func tooManyLost(lost, of uint64) bool {
	return lost >= flowsEach && float64(lost) > worthLosing*float64(of)
}

// judgeSessions is of strong cookies.
func judgeSessions(at place, f *Facts, c course) {
	hit, moved, refused, invalid := c.affinities("hit"), c.affinities("moved"), c.affinities("refused"), c.affinities("invalid")
	all := hit + moved + refused
	if lost := moved + refused; tooManyLost(lost, all) {
		cause, who := c.whySessionsMove()
		evidence := fmt.Sprintf("%d of %d requests with a session in %v were answered by another endpoint than theirs, which got them a new cookie", moved, all, round(f.window()))
		if refused > 0 {
			evidence += fmt.Sprintf(", and %d were refused, as strict wants", refused)
		}
		at.find("affinity-loss/"+cause, evidence+": "+who, sessionRemedies[cause])
	}
	if invalid >= flowsEach && 10*invalid > all+invalid {
		at.find("affinity-loss/invalid", fmt.Sprintf("%d of %d strong cookies in %v could not be opened: they are forged, or sealed for another service or with a key that is not known here", invalid, all+invalid, round(f.window())),
			"give every proxy of the fleet the same keys of strong_session_affinity_cookie, and keep an old one for a ttl when they rotate")
	}
}

var sessionRemedies = map[string]string{
	"max":    "raise max of the endpoints that are full, or add endpoints; with strict = true sessions wait or fail instead",
	"ill":    "mend the endpoints that are out: a session moves when its endpoint cannot be had, and stays with the new one",
	"drain":  "nothing, if they are to leave; connection_draining.keep_sessions = true would keep those that are there",
	"gone":   "nothing, if they are gone for good; an id in the file keeps sessions when only the address changes",
	"failed": "see the log of the endpoints that fail: the sessions' endpoints could be had, and did not answer",
}

// whySessionsMove says which of the reasons for a session to move is seen.
func (c course) whySessionsMove() (cause, who string) {
	if n := c.affinities("at_max"); n > 0 {
		return "max", fmt.Sprintf("%d found their endpoint at its max", n)
	}
	out := map[string][]string{}
	for _, s := range c {
		for _, e := range endpoints(s) {
			kind := absence(e)
			if name := e.ID + " " + e.Dropped; kind != "" && !slices.Contains(out[kind], name) {
				out[kind] = append(out[kind], name)
			}
		}
	}
	for _, kind := range []string{"ill", "drain"} {
		if len(out[kind]) > 0 {
			return kind, strings.Join(out[kind], ", ") + " could not be had"
		}
	}
	if gone := c.gone(); len(gone) > 0 {
		return "gone", strings.Join(gone, ", ") + " left the file or got another id"
	}
	return "failed", "their endpoints are in use, so attempts on them have failed, or they have left the file before"
}

// absence says why an endpoint keeps none of its own: "" if it does, or nobody is
// there to miss it.
func absence(e *admin.EndpointStatus) string {
	switch e.Dropped {
	case "UNHEALTHY", "EJECTED":
		return "ill"
	case "DRAIN", "DOWN", "GROUP_DRAINED":
		return "drain"
	}
	return ""
}

// gone are the endpoints of any reading that the last does not have.
func (c course) gone() (ids []string) {
	for _, s := range c {
		for _, e := range endpoints(s) {
			if endpoint(c.last(), e.ID) == nil && !slices.Contains(ids, e.ID) {
				ids = append(ids, e.ID)
			}
		}
	}
	for _, r := range c.last().Removed {
		if !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// judgeKeys is of affinity by keys: of those that find no room somebody counts each, of
// those whose endpoint is out nobody does, but what part of all that is is known.
func judgeKeys(at place, f *Facts, c course) {
	keyed, atMax, groupFull := c.affinities("keyed"), c.affinities("at_max"), c.affinities("group_full")
	if tooManyLost(atMax, keyed) {
		at.find("affinity-loss/max", fmt.Sprintf("%d of %d with a key in %v found the key's endpoint at its max, and went to another", atMax, keyed, round(f.window())),
			"raise max of the endpoints that are full, or add endpoints")
	}
	if tooManyLost(groupFull, keyed) {
		at.find("affinity-loss/group_full", fmt.Sprintf("%d of %d with a key in %v found the key's group used to capacity, and went to another", groupFull, keyed, round(f.window())),
			"raise the group's target or add endpoints to it; a client that is never to leave needs STRONG_COOKIE_AFFINITY")
	}
	if !hashes(c.last()) {
		return
	}
	for _, e := range endpoints(c.last()) {
		turns, out := c.turns(e.ID)
		part := c.partOfKeys(e)
		switch {
		case part == 0:
		case turns > 1:
			at.of(e.ID).find("affinity-loss/flapping", fmt.Sprintf("it came into use or went out of it %d times in %v, and its keys, about %s of all, with it each time", turns, round(f.window()), percent(part)),
				"mend what makes it come and go; flap_damping of the health_check keeps it out until it stays well")
		case out != "":
			at.of(e.ID).note("affinity-loss/"+out, fmt.Sprintf("it is %s, and its keys, about %s of all, are elsewhere meanwhile; nobody else's have moved", e.Dropped, percent(part)),
				"nothing: they return with it")
		}
	}
}

// turns is how often an endpoint went out of use or came back, by health or by the
// operator, and why it is out now; "" if it is not.
func (c course) turns(id string) (n int, out string) {
	was := ""
	for i, s := range c {
		if e := endpoint(s, id); e != nil {
			out = absence(e)
		}
		if i > 0 && (out == "") != (was == "") {
			n++
		}
		was = out
	}
	return n, out
}

// partOfKeys is the part of the service's keys that belong to an endpoint, as far as
// weights say; 0 where groups of a capacity share them.
func (c course) partOfKeys(of *admin.EndpointStatus) float64 {
	s, all := c.last(), 0.0
	if hasCapacity(s) {
		return 0
	}
	for _, e := range endpoints(s) {
		switch e.Dropped {
		case "", "UNHEALTHY", "EJECTED", "DRAIN", "DOWN", "GROUP_DRAINED", "UNKNOWN":
			all += float64(e.Weight)
		}
	}
	return ratio(float64(of.Weight), all)
}
