package doctor

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
)

// Facts is all that is judged.
type Facts struct {
	// File is what the file says; nil: it is not known.
	File *config.Config
	// Readings are what the admin API has said, the oldest first.
	Readings []Reading
	// Probes are what came of connecting to endpoints, by service and endpoint.
	Probes map[ProbeKey]Probe
}

// A Reading is what the admin API says at one moment.
type Reading struct {
	At       time.Time
	Services []admin.ServiceStatus
	// Proxy is nil if the proxy does not tell, or was not asked: the first reading and
	// the last have it.
	Proxy *admin.ProxyStatus
}

// A ProbeKey names an endpoint of a service.
type ProbeKey struct{ Service, Endpoint string }

// An Answer is what came of a probe.
type Answer string

// The answers.
const (
	Answers     Answer = "ANSWERS"     // it was connected to, and of HTTP has answered
	Refused     Answer = "REFUSED"     // its machine says that nobody listens
	Filtered    Answer = "FILTERED"    // nobody says anything, or a firewall that one may not
	Silent      Answer = "SILENT"      // it was connected to, and does not answer
	Unreachable Answer = "UNREACHABLE" // its address leads nowhere
)

// A Probe is what came of connecting to an endpoint from where the doctor is.
type Probe struct {
	Answer Answer
	// Detail is what the system or the endpoint said.
	Detail string
	// Ended: the endpoint has closed or reset the connection instead of an answer.
	Ended bool
	// From is the address that it was probed from, if one was connected.
	From string
	// Waited is how long the doctor has waited for what did not come.
	Waited time.Duration
	// Local: the endpoint is on the machine that the doctor is on. Listening are
	// the addresses that somebody listens on there with the port in question.
	Local     bool
	Listening []string
	// KeepAlive is for how long the endpoint says that it keeps an idle connection,
	// or has been seen to keep one; 0: neither.
	KeepAlive time.Duration
}

// last is the newest reading.
func (f *Facts) last() *Reading { return &f.Readings[len(f.Readings)-1] }

// window is how long the proxy was watched.
func (f *Facts) window() time.Duration { return f.last().At.Sub(f.Readings[0].At) }

// A course is one service as it was in every reading that has it, the oldest first.
type course []*admin.ServiceStatus

func (c course) first() *admin.ServiceStatus { return c[0] }
func (c course) last() *admin.ServiceStatus  { return c[len(c)-1] }

// course returns the course of a service of the last reading.
func (f *Facts) course(name string) (c course) {
	for r := range f.Readings {
		for s := range f.Readings[r].Services {
			if one := &f.Readings[r].Services[s]; one.Name == name {
				c = append(c, one)
			}
		}
	}
	return c
}

// service returns what the file says of a service, or nil.
func (f *Facts) service(name string) *config.Service {
	if f.File == nil {
		return nil
	}
	for i := range f.File.Services {
		if f.File.Services[i].Name == name {
			return &f.File.Services[i]
		}
	}
	return nil
}

// endpoint returns an endpoint by its ID, or nil.
func endpoint(s *admin.ServiceStatus, id string) *admin.EndpointStatus {
	for g := range s.Groups {
		for e := range s.Groups[g].Endpoints {
			if one := &s.Groups[g].Endpoints[e]; one.ID == id {
				return one
			}
		}
	}
	return nil
}

// endpoints returns all of a service.
func endpoints(s *admin.ServiceStatus) (all []*admin.EndpointStatus) {
	for g := range s.Groups {
		for e := range s.Groups[g].Endpoints {
			all = append(all, &s.Groups[g].Endpoints[e])
		}
	}
	return all
}

// grown is how much a counter has grown; one that began anew counts from 0.
func grown(from, to uint64) uint64 {
	if to < from {
		return to
	}
	return to - from
}

// succeeded is how much of what an endpoint got has ended well over the window. What
// is under way has not, and neither has what a client did not wait for.
func (c course) succeeded(id string) uint64 {
	from, to := endpoint(c.first(), id), endpoint(c.last(), id)
	if to == nil {
		return 0
	}
	was, is := uint64(0), endedWell(to)
	if from != nil && from.Requests <= to.Requests { // else it counts anew
		was = endedWell(from)
	}
	return is - min(was, is)
}

func endedWell(e *admin.EndpointStatus) uint64 {
	return e.Requests - min(e.Requests, uint64(max(e.Active, 0))+e.Failures+e.Neutral)
}

// gained is how much two counters of an endpoint have grown over the window: what it
// got, and what of that has failed.
func (c course) gained(id string) (requests, failures uint64) {
	from, to := endpoint(c.first(), id), endpoint(c.last(), id)
	if to == nil {
		return 0, 0
	}
	if from == nil {
		return to.Requests, to.Failures
	}
	return grown(from.Requests, to.Requests), grown(from.Failures, to.Failures)
}
