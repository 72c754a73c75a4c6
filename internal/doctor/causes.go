package doctor

import (
	"fmt"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// explainUneven names the cause of a distribution that is uneven beyond chance. The
// first that applies is the one: each explains what those after it would be blamed
// for.
func explainUneven(at place, f *Facts, c course, s *scope, v *verdict) {
	last := c.last()
	evidence := fmt.Sprintf("%sof %s in %v: %s (chi-square %.0f, p %s)", inGroup(s.group, "", ""),
		plural(int(v.flows), "new flow", "new flows"), round(f.window()), figures(s.tallies, v.flows), v.statistic, chanceText(v.p))
	if s.quiet < s.intervals {
		evidence += fmt.Sprintf("; %d of %d intervals do not count, for %s changed", s.intervals-s.quiet, s.intervals, s.changed)
	}
	at = at.of(v.worst.id)
	if t, ok := failing(s.tallies); ok {
		at.note("uneven/failures", evidence+fmt.Sprintf("; %.0f of %.0f flows to %s failed, and what fails is tried again elsewhere", t.failures, t.got, t.id),
			"mend "+t.id+" first: spillway status says what is wrong with it")
		return
	}
	if id := fullOne(f, last, s); id != "" {
		at.note("uneven/full", evidence+"; "+id+" has as much as its max allows, and the others get the rest",
			"raise max of "+id+", or add endpoints")
		return
	}
	if hashes(last) {
		explainKeys(at, last, s, v, evidence)
		return
	}
	switch last.Policy {
	case "LEAST_REQUEST":
		at.note("uneven/least_request", evidence+"; LEAST_REQUEST gives less to endpoints that answer more slowly",
			"nothing, if that is wanted; see which endpoint is slow, or take ROUND_ROBIN")
	case "WEIGHTED_ROUND_ROBIN":
		at.note("uneven/weights", evidence+"; WEIGHTED_ROUND_ROBIN follows the load that endpoints report",
			"nothing, if that is wanted; spillway status --json shows load_weight")
	default:
		if n := last.Sources; n != nil && last.Affinity != "NONE" && chanceOf(s, n.Effective) > byChance {
			at.note("uneven/affinity", evidence+fmt.Sprintf("; session_affinity = %q keeps clients where they are, and %.1f equal ones may well be spread like this", last.Affinity, n.Effective),
				"nothing: it evens out with more clients. Without affinity it would be even at once")
			return
		}
		if last.Affinity != "NONE" {
			at.find("uneven/affinity", evidence+fmt.Sprintf("; session_affinity = %q keeps clients where they are", last.Affinity),
				"wait for sessions to end, or set session_affinity = \"NONE\""+whatIf(s))
			return
		}
		at.find("uneven/unexplained", evidence+"; neither affinity, weights, capacity, failures nor limits explain it",
			"compare spillway status with spillway explain -c FILE --service "+last.Name+", and report it with both")
	}
}

// failing returns the endpoint that most of a noticeable part of failures is of.
func failing(tallies []tally) (worst tally, ok bool) {
	for _, t := range tallies {
		if t.failures >= 5 && t.failures >= 0.05*t.got && t.failures > worst.failures {
			worst, ok = t, true
		}
	}
	return worst, ok
}

// fullOne returns an endpoint that got less than it should and is at its max.
func fullOne(f *Facts, s *admin.ServiceStatus, sc *scope) string {
	limits := maxOf(f, s.Name)
	for _, t := range sc.tallies {
		e := endpoint(s, t.id)
		if limit := limits[t.id]; limit > 0 && t.got < t.want && e.Active >= limit {
			return t.id
		}
	}
	return ""
}

// hashes reports whether keys decide who gets what.
func hashes(s *admin.ServiceStatus) bool {
	switch s.Policy {
	case "RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV":
		return true
	}
	return false
}

// explainKeys is for hash policies: a key goes to one endpoint with all its traffic.
// So many keys of equal weight as there are effectively may be as uneven as that by
// chance, and then it is what was asked for; but where one key or fewer than there
// are endpoints carry most, it is what somebody should know.
func explainKeys(at place, s *admin.ServiceStatus, sc *scope, v *verdict, evidence string) {
	keys := s.Keys
	if keys == nil || keys.Flows == 0 {
		at.find("uneven/affinity", evidence+fmt.Sprintf("; %s by %s decides, and its keys are not known", s.Policy, s.Affinity),
			"set session_affinity = \"NONE\" with ROUND_ROBIN if clients need not stay"+whatIf(sc))
		return
	}
	evidence += fmt.Sprintf("; the traffic is that of %.1f equal keys, the busiest of which has %s of it", keys.Effective, percent(keys.TopShare))
	few := keys.TopShare > 0.5 || keys.Effective < float64(v.endpoints)
	if !few {
		if p := chanceOf(sc, keys.Effective); p > byChance {
			at.note("uneven/affinity", evidence+fmt.Sprintf("; so many keys may well be spread like this (p %s)", chanceText(p)),
				"nothing: it evens out with more clients. Without affinity it would be even at once")
			return
		}
		at.find("uneven/affinity", evidence+"; that is more than so many keys explain",
			"compare spillway explain -c FILE --service "+s.Name+" for some clients, and report it with spillway status --json")
		return
	}
	switch {
	case strings.HasPrefix(s.Affinity, "CLIENT_IP"):
		who := ""
		if s.Sources != nil && s.Sources.Top != "" {
			who = fmt.Sprintf(", %s with %s", s.Sources.Top, percent(s.Sources.TopShare))
		}
		at.find("uneven/few_sources", evidence+fmt.Sprintf("; session_affinity = %q sees few client addresses%s: they are behind a NAT or a proxy, or few", s.Affinity, who),
			"behind a proxy: trusted_proxies (X-Forwarded-For) or proxy_protocol of the listener tell its clients apart; behind a NAT: session_affinity = \"HTTP_COOKIE\" or \"HEADER_FIELD\"; or \"NONE\""+whatIf(sc))
	case s.Affinity == "NONE":
		at.find("uneven/few_connections", evidence+fmt.Sprintf("; %s without affinity goes by connections, and a few carry most requests", s.Policy),
			"locality_lb_policy = \"ROUND_ROBIN\" or \"LEAST_REQUEST\" chooses for each request"+whatIf(sc))
	default:
		at.find("uneven/skewed_keys", evidence+fmt.Sprintf("; a few values carry most of the traffic, and session_affinity = %q keeps each on one endpoint", s.Affinity),
			"choose a header or cookie that tells clients apart, or set session_affinity = \"NONE\""+whatIf(sc))
	}
}

// chanceOf is how likely so uneven a distribution is where a client, or a key, goes to
// one endpoint with all its flows, and so many equal ones have all there are. A flow says
// only as much as a client then: the statistic shrinks with their number.
func chanceOf(s *scope, clients float64) float64 {
	flows := 0.0
	for _, t := range s.tallies {
		flows += t.got
	}
	v := judge(s.tallies, enoughExpected*flows/clients)
	return chance(v.statistic*clients/flows, v.cells-1)
}

// whatIf is the distribution without affinity.
func whatIf(s *scope) string {
	const most = 4
	flows := 0.0
	for _, t := range s.tallies {
		flows += t.want
	}
	var parts []string
	for _, t := range s.tallies {
		if t.want > 0 {
			parts = append(parts, t.id+" "+percent(ratio(t.want, flows)))
		}
	}
	more := ""
	if n := len(parts) - most; n > 0 {
		parts, more = parts[:most], fmt.Sprintf(", and %d more", n)
	}
	return "; without affinity: " + strings.Join(parts, ", ") + more
}

func chanceText(p float64) string {
	if p < 1e-9 {
		return "below 1e-9"
	}
	return fmt.Sprintf("%.2g", p)
}

// judgeStreams looks at connections that are there, where they outlive the choice
// that was made for them: new ones may be spread well while one endpoint has most.
func judgeStreams(at place, c course) {
	s := c.last()
	if s.Protocol != "TCP" && s.Protocol != "SSL" || hashes(s) || s.Affinity != "NONE" || s.Policy == "ORIGINAL_DESTINATION" || hasCapacity(s) {
		return
	}
	var tallies []tally
	active, shares := 0.0, 0.0
	for _, e := range endpoints(s) {
		if e.ShareExpected > 0 && e.Warm >= 1 {
			tallies = append(tallies, tally{id: e.ID, got: float64(e.Active), want: e.ShareExpected, due: true})
			active += float64(e.Active)
			shares += e.ShareExpected
		}
	}
	for i := range tallies {
		tallies[i].want *= active / shares
	}
	v := judge(tallies, enoughExpected)
	if !v.uneven() || v.effect < 2*worthwhile || at.of(v.worst.id).found("uneven") {
		return
	}
	at.of(v.worst.id).find("uneven/long_streams",
		fmt.Sprintf("%s are open: %s, although new ones are spread by share (chi-square %.0f, p %s): they are from before endpoints or shares changed",
			plural(int(active), "connection", "connections"), figures(tallies, active), v.statistic, chanceText(v.p)),
		"it evens out as connections end; sooner with LEAST_REQUEST, with a timeout of the service that ends idle ones, or by draining the fullest endpoint (spillway drain "+s.Name+" ENDPOINT, then spillway ready)")
}
