package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// A Finding is something that is wrong, or with notes something that only looks so.
type Finding struct {
	// Check is the name of what was looked at. It is stable.
	Check string `json:"check"`
	// Cause says which of the check's causes it is, where there are several.
	Cause string `json:"cause,omitempty"`
	// Service and Endpoint say where; "" if it is not about one.
	Service  string `json:"service,omitempty"`
	Endpoint string `json:"endpoint"`
	// Evidence has the figures, Remedy what to do.
	Evidence string `json:"evidence"`
	Remedy   string `json:"remedy"`
}

// A Report is what came of looking.
type Report struct {
	Findings []Finding `json:"findings"`
	// Notes are what is not wrong, or could not be judged, and is worth knowing.
	Notes []Finding `json:"notes"`
}

// Judge says what is wrong. There must be a reading, two for what goes by the
// difference.
func Judge(f *Facts) Report {
	r := Report{Findings: []Finding{}, Notes: []Finding{}}
	if len(f.Readings) == 0 {
		return r
	}
	judgeProxy(&r, f)
	for i := range f.last().Services {
		s := &f.last().Services[i]
		judgeService(&r, f, s.Name)
	}
	judgeLoops(&r, f)
	for _, list := range [][]Finding{r.Findings, r.Notes} {
		slices.SortStableFunc(list, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Endpoint, b.Endpoint))
		})
	}
	return r
}

func judgeService(r *Report, f *Facts, name string) {
	c := f.course(name)
	at := place{r, name, ""}
	judgeHealth(at, f, c)
	judgeProbes(at, f, c)
	judgeFlaps(at, f, c)
	judgeEjections(at, f, c)
	judgeLimits(at, f, c)
	judgeCrowding(at, f, c)
	judgeUneven(at, f, c)
	judgeStreams(at, c)
	judgeIdle(at, c)
	judgeRemoved(at, f, c)
	judgeKeepalive(at, f, c)
	judgeWeights(at, c)
	judgeCapacity(at, c)
	judgeAffinity(at, f, c)
	judgeHairpin(at, f, c)
}

// A place is where a check looks.
type place struct {
	report            *Report
	service, endpoint string
}

// of is the place of an endpoint.
func (p place) of(endpoint string) place { return place{p.report, p.service, endpoint} }

// find says that something is wrong. The check may have a cause: "uneven/few_sources".
func (p place) find(check, evidence, remedy string) {
	p.report.Findings = append(p.report.Findings, p.finding(check, evidence, remedy))
}

// note says that something only looks wrong, or was not judged.
func (p place) note(check, evidence, remedy string) {
	p.report.Notes = append(p.report.Notes, p.finding(check, evidence, remedy))
}

func (p place) finding(check, evidence, remedy string) Finding {
	name, cause := check, ""
	for i := range check {
		if check[i] == '/' {
			name, cause = check[:i], check[i+1:]
		}
	}
	return Finding{name, cause, p.service, p.endpoint, evidence, remedy}
}

// found reports whether the endpoint has a finding of one of these checks.
func (p place) found(checks ...string) bool {
	return slices.ContainsFunc(p.report.Findings, func(f Finding) bool {
		return f.Service == p.service && f.Endpoint == p.endpoint && slices.Contains(checks, f.Check)
	})
}

// percent is a share from 0 to 1 as people write it.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// plural is "1 flow", "2 flows".
func plural[N int | int64 | uint64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
