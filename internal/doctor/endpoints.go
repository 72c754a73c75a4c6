package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

// judgeHealth is of endpoints that are ill by their checks, and of services that
// have nobody left or go on in panic.
func judgeHealth(at place, f *Facts, c course) {
	s := c.last()
	all, well, unknown := endpoints(s), 0, 0
	for _, e := range all {
		if e.Health == "UNKNOWN" {
			unknown++
		}
		if e.Health == "HEALTHY" && !e.Ejected {
			well++
		}
		if e.Health != "UNHEALTHY" && e.Health != "TIMEOUT" || e.Admin != "READY" {
			continue
		}
		cause, remedy := illness(e, f, s.Name)
		at.of(e.ID).find("unhealthy"+cause, fmt.Sprintf("it is %s: %s%s", e.Health, e.Reason, streak(e.Checks)), remedy)
	}
	switch {
	case len(all) == 0:
		judgeEmpty(at, s)
	case s.Panic || grown(c.first().Shed, s.Shed) > 0:
		judgePanic(at, f, c, well, len(all))
	case well == 0 && unknown > 0:
		at.note("unchecked", fmt.Sprintf("%d of %d endpoints have not been checked yet, and none is known to be healthy", unknown, len(all)),
			"look again when their first checks are over")
	case well == 0:
		at.find("no-healthy", fmt.Sprintf("none of %d endpoints is healthy: clients get errors", len(all)),
			"see what each endpoint is ill of below; if all are well in truth, mend the health_check")
	}
}

// judgeEmpty is of services for which nobody was found, or nobody whom they can use.
func judgeEmpty(at place, s *admin.ServiceStatus) {
	var groups, unusable []string
	for _, g := range s.Groups {
		groups = append(groups, g.Name)
		unusable = append(unusable, g.Unusable...)
	}
	switch {
	case len(groups) == 0: // it has left the file
	case len(unusable) > 0:
		at.find("no-endpoints/unusable", fmt.Sprintf("%s found, and none can be used: clients get errors; the first: %s",
			plural(len(unusable), "endpoint was", "endpoints were"), unusable[0]), "mend what the group's source says of them, or what the service wants of its endpoints")
	default:
		at.find("no-endpoints", strings.Join(groups, ", ")+": nobody is in it, so clients get errors",
			"ask the group's source, a file or the DNS, as the proxy does: it lists nobody, or could never be asked; the proxy's log says which")
	}
}

// illness tells an endpoint where nobody listens from one that says nothing, and
// from one that says something else than was wanted.
func illness(e *admin.EndpointStatus, f *Facts, service string) (cause, remedy string) {
	reason := strings.ToLower(e.Reason)
	switch {
	case strings.Contains(reason, "refused"):
		return "/refused", "start what is to answer on " + checkedAt(e, f, service) + ", or mend health_check.port: its machine is there, and nobody listens"
	case e.Health == "TIMEOUT" || strings.Contains(reason, "timeout") || strings.Contains(reason, "timed out"):
		return "/timeout", "its machine or process hangs, or a firewall drops packets to " + checkedAt(e, f, service) + ": try it from the proxy's machine, and see health_check.timeout"
	case strings.Contains(reason, "unreachable") || strings.Contains(reason, "no route"):
		return "/unreachable", "there is no way to " + e.Address + " from the proxy: see its routes"
	}
	return "", "see the endpoint's own log: it answers " + checkedAt(e, f, service) + ", and not as the health_check wants"
}

// checkedAt is the address that checks go to.
func checkedAt(e *admin.EndpointStatus, f *Facts, service string) string {
	if p := f.checkPort(service); p > 0 {
		return withPort(e.Address, p)
	}
	return e.Address
}

func streak(c *admin.CheckStatus) string {
	if c == nil || c.Streak >= 0 {
		return ""
	}
	text := fmt.Sprintf("; the last %s failed", plural(-c.Streak, "check", "checks"))
	if c.Since != nil {
		text += ", ill since " + c.Since.Format(time.RFC3339)
	}
	return text
}

// flapsMany is how many changes of health in ten minutes are too many.
const flapsMany = 4

func judgeFlaps(at place, _ *Facts, c course) {
	for _, e := range endpoints(c.last()) {
		seen := 0
		for i := 1; i < len(c); i++ {
			a, b := endpoint(c[i-1], e.ID), endpoint(c[i], e.ID)
			if a != nil && b != nil && a.Health != b.Health && a.Health != "UNKNOWN" {
				seen++
			}
		}
		flaps := seen
		if e.Checks != nil {
			flaps = max(flaps, e.Checks.Flaps)
		}
		if flaps < flapsMany {
			continue
		}
		evidence := fmt.Sprintf("its health has changed %d times in ten minutes, %d of them while it was watched", flaps, seen)
		if last := c.lastReason(e); last != "" {
			evidence += "; the last failure: " + last
		}
		at.of(e.ID).find("flapping", evidence,
			"mend what makes checks fail now and then (load, a check that does too much); until then raise unhealthy_threshold, or health_check.timeout if the reason is a timeout")
	}
}

// lastReason is why a check of it failed last.
func (c course) lastReason(e *admin.EndpointStatus) string {
	if e.Checks != nil {
		for i := len(e.Checks.Last) - 1; i >= 0; i-- {
			if r := e.Checks.Last[i]; !r.OK && r.Reason != "" {
				return r.Reason
			}
		}
	}
	for i := len(c) - 1; i >= 0; i-- {
		if was := endpoint(c[i], e.ID); was != nil && was.Reason != "" {
			return was.Reason
		}
	}
	return ""
}

func judgeEjections(at place, f *Facts, c course) {
	ejected := 0
	all := endpoints(c.last())
	for _, e := range all {
		if e.Ejected {
			ejected++
		}
	}
	for _, e := range all {
		judgeSpared(at, f, e, ejected, len(all))
		if !e.Ejected {
			continue
		}
		until := "until it is taken back"
		if e.EjectedUntil != nil {
			until = "until " + e.EjectedUntil.Format(time.RFC3339)
		}
		at.of(e.ID).find("ejected", fmt.Sprintf("outlier detection has taken it out for %s, %s; %s so far, %d of %d requests failed",
			e.EjectedFor, until, plural(e.Ejections, "time", "times"), e.Failures, e.Requests),
			"see what the endpoint's own log says of these errors; it comes back by itself, and at once when a health check passes again")
	}
	if ejected > 1 && 2*ejected >= len(all) {
		at.find("ejected/many", fmt.Sprintf("%d of %d endpoints are ejected", ejected, len(all)),
			"so many at once share a cause: a dependency of theirs, a release, or thresholds of outlier_detection that are too strict")
	}
}

// judgeSpared is of an endpoint that is as ill as those that are ejected, and stays in
// use because no more may be.
func judgeSpared(at place, f *Facts, e *admin.EndpointStatus, ejected, all int) {
	if e.SparedFor == "" {
		return
	}
	evidence := fmt.Sprintf("by %s outlier detection would take it out, and may not: ", e.SparedFor)
	failed := fmt.Sprintf("; %d of its %d requests failed", e.Failures, e.Requests)
	if e.SparedBecause != "max_ejection_percent" {
		at.of(e.ID).find("ejected/last_one", evidence+e.SparedBecause+failed,
			"mend the endpoints that are out: this one fails, too, and gets what the others would have got")
		return
	}
	limit := "max_ejection_percent"
	if s := f.service(at.service); s != nil && s.OutlierDetection != nil {
		limit += fmt.Sprintf(" (%d)", s.OutlierDetection.MaxEjectionPercent)
	}
	at.of(e.ID).find("ejected/cap", evidence+fmt.Sprintf("%d of %d endpoints are ejected, and %s keeps further ill ones in use", ejected, all, limit)+failed,
		"mend what they share, for so many fail at once; raise max_ejection_percent if the others can carry everything")
}

// judgeLimits is of endpoints that have as much as they may.
func judgeLimits(at place, f *Facts, c course) {
	limits := maxOf(f, c.last().Name)
	for _, e := range endpoints(c.last()) {
		limit := limits[e.ID]
		if limit <= 0 || e.ShareExpected == 0 {
			continue
		}
		always := true
		for _, s := range c {
			was := endpoint(s, e.ID)
			always = always && was != nil && was.Active >= limit
		}
		if always {
			at.of(e.ID).find("saturated", fmt.Sprintf("it has had %d at once all the time, as many as its max allows", e.Active),
				"raise its max if it can take more, or add endpoints")
		}
	}
}

// maxOf is the file's max of a service's endpoints.
func maxOf(f *Facts, service string) map[string]int64 {
	limits := make(map[string]int64)
	if s := f.service(service); s != nil {
		for _, e := range f.File.Endpoints(s) {
			limits[e.ID] = e.Max
		}
	}
	return limits
}

// whyIdle says why an endpoint takes no new traffic, and what would change that.
var whyIdle = map[string][2]string{
	"SUBSET":        {"it is not of the subset that this proxy uses", "nothing: other proxies use it; subset_size says how many each takes"},
	"DRAIN":         {"the operator drains it", "spillway ready SERVICE ENDPOINT takes it back"},
	"DOWN":          {"the operator has put it down", "spillway ready SERVICE ENDPOINT takes it back"},
	"GROUP_DRAINED": {"its group is drained: its capacity_scaler is 0, or too few of its endpoints are healthy", "spillway ready SERVICE --group GROUP, or mend the group's endpoints"},
	"WEIGHT_0":      {"its weight is 0", "give it a weight above 0"},
	"STANDBY":       {"it stands by: a backup, or a reserve of lower priority", "nothing: it takes over when those before it are ill"},
	"OTHER_ZONE":    {"zonal affinity keeps traffic in the proxy's own zone", "nothing, if that is wanted; else zonal_affinity.spillover = \"ZONAL_AFFINITY_DISABLED\""},
	"PANIC":         {"panic keeps it out", "mend the service's endpoints"},
	"EJECTED":       {"outlier detection has taken it out", "see the finding ejected"},
}

// judgeIdle says of endpoints that are healthy and get nothing why that is so.
func judgeIdle(at place, c course) {
	s := c.last()
	for _, g := range s.Groups {
		for _, e := range g.Endpoints {
			if e.Health != "HEALTHY" || e.Dropped == "" || e.Ejected {
				continue
			}
			why, known := whyIdle[e.Dropped]
			if !known {
				why = [2]string{"it is " + e.Dropped, "spillway explain says more"}
			}
			at.of(e.ID).note("idle", "it is healthy and gets no new traffic: "+why[0],
				strings.NewReplacer("SERVICE", s.Name, "ENDPOINT", e.ID, "GROUP", g.Name).Replace(why[1]))
		}
	}
}

// judgeRemoved is of endpoints that have left the file and still carry something.
func judgeRemoved(at place, f *Facts, c course) {
	for _, r := range c.last().Removed {
		if r.Active == 0 {
			continue
		}
		evidence := fmt.Sprintf("it left the file %v ago and still has %s", round(f.last().At.Sub(r.Since)), plural(r.Active, "request or connection", "requests or connections"))
		if r.Bytes > 0 {
			evidence += fmt.Sprintf(" with %s so far", plural(r.Bytes, "byte", "bytes"))
		}
		if r.Oldest > 0 {
			evidence += fmt.Sprintf(", the oldest for %v", round(time.Duration(r.Oldest*float64(time.Second))))
		}
		if r.Until != nil {
			evidence += ", until " + r.Until.Format(time.RFC3339)
		} else {
			evidence += ", without a limit"
		}
		at.of(r.ID).find("removed-with-traffic", evidence,
			"nothing, if its clients may finish: what was there stays by design, and nobody new comes; connection_draining.draining_timeout says for how long. Before you switch it off: spillway drain "+at.service+" "+r.ID+" --wait, or --now to cut what is left")
	}
}
