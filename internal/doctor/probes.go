package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// judgeProbes compares what checks say with what traffic does, and what the doctor
// has seen when it connected itself: an endpoint may pass its checks and serve nobody.
func judgeProbes(at place, f *Facts, c course) {
	for _, e := range endpoints(c.last()) {
		if e.Health != "HEALTHY" || e.Admin != "READY" {
			continue
		}
		at := at.of(e.ID)
		probe := f.Probes[ProbeKey{at.service, e.ID}]
		answer := probe.Answer
		if e.Traffic != "" {
			answer = saidOf(e.TrafficReason, probe.Answer)
		}
		got, failed := c.gained(e.ID)
		served := c.succeeded(e.ID) > 0 && e.Traffic == ""
		evidence := contrast(f, at.service, e, probe, got, failed)
		switch {
		case answer == "" || answer == Answers:
			judgeFailing(at, e, got, failed)
		case served && answer != Silent:
			at.note("probe", evidence+": traffic of the proxy does reach it",
				"nothing, unless the machine that the doctor runs on is to reach it, too")
		case answer == Refused:
			at.find("refusing"+listening(probe), evidence, refusedRemedy(e, f, at.service, probe))
		case answer == Silent && served:
			at.note("probe", evidence+": it does answer the proxy's traffic, so it may be slow only for HEAD /",
				"nothing, if HEAD / takes that long")
		case answer == Silent && mayBeSlow(f, c, e, probe):
			at.note("probe", evidence+": its checks are answered on the same port, it has answered traffic before, and none has failed or given up meanwhile",
				"if it is only slow, nothing: look with a --duration longer than its answers take")
		case answer == Silent:
			at.find("silent", evidence, silentRemedy(e, f, at.service, probe))
		default:
			at.find("filtered", evidence, fmt.Sprintf("let TCP from %s to %s pass: a firewall, a security group or a route on the way drops it%s", orProxy(probe.From), e.Address, whileCheck(f, at.service, e)))
		}
	}
}

// mayBeSlow reports whether all that speaks against an endpoint is that nothing has come
// of it for as long as it was watched: it answers checks over HTTP where it serves, has
// answered traffic before, and nobody was failed by it, or left, meanwhile.
func mayBeSlow(f *Facts, c course, e *admin.EndpointStatus, p Probe) bool {
	s, was := f.service(c.last().Name), endpoint(c.first(), e.ID)
	return s != nil && s.HealthCheck != nil && strings.HasPrefix(s.HealthCheck.Type, "HTTP") && !s.HealthCheck.FixesPort() &&
		!p.Ended && e.Traffic == "" && endedWell(e) > 0 &&
		was != nil && was.Failures == e.Failures && was.Neutral == e.Neutral
}

// judgeFailing is of endpoints that answer a doctor and fail traffic.
func judgeFailing(at place, e *admin.EndpointStatus, got, failed uint64) {
	if failed >= flowsEach && 2*failed >= got {
		at.find("failing", fmt.Sprintf("its checks pass, and %d of %d requests failed while it was watched (%d connect failures, %d gateway failures so far)",
			failed, got, e.ConnectFailures, e.GatewayFailures),
			"see the endpoint's own log, and the proxy's for the reason of each; [service.outlier_detection] would take it out by itself")
	}
}

// saidOf says what kind of refusal the proxy has met.
func saidOf(reason string, probed Answer) Answer {
	reason = strings.ToLower(reason)
	switch {
	case strings.Contains(reason, "refused"):
		return Refused
	case strings.Contains(reason, "timeout"), strings.Contains(reason, "timed out"), strings.Contains(reason, "prohibited"), strings.Contains(reason, "permission"):
		return Filtered
	case probed != "" && probed != Answers:
		return probed
	}
	return Refused
}

// contrast is the evidence: what checks say, what came of traffic, what of a probe.
func contrast(f *Facts, service string, e *admin.EndpointStatus, p Probe, got, failed uint64) string {
	text := "its checks pass"
	if port := f.checkPort(service); port > 0 && !strings.HasSuffix(e.Address, ":"+strconv.Itoa(port)) {
		text = fmt.Sprintf("its checks pass on port %d", port)
	} else if s := f.service(service); s != nil && s.HealthCheck == nil {
		text = "it counts as healthy for there is no health_check"
	}
	switch p.Answer {
	case Refused:
		text += ", but " + e.Address + " refuses connections"
	case Filtered:
		text += fmt.Sprintf(", but connecting to %s had no answer in %v", e.Address, round(p.Waited))
	case Silent:
		text += fmt.Sprintf(", and %s accepts connections, but does not answer HEAD / in %v", e.Address, round(p.Waited))
	case Unreachable:
		text += ", but " + e.Address + " cannot be reached"
	}
	if p.Detail != "" && p.Answer != Answers {
		text += " (" + p.Detail + ")"
	}
	if e.Traffic != "" {
		text += fmt.Sprintf("; the proxy's own traffic: %s, %d connect failures", orElse(e.TrafficReason, e.Traffic), e.ConnectFailures)
	}
	if failed > 0 {
		text += fmt.Sprintf("; %d of %d requests failed while it was watched", failed, got)
	}
	return text + whoListens(p, e.Address)
}

// whoListens says what is seen where the endpoint is on this machine.
func whoListens(p Probe, addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	switch {
	case !p.Local || p.Answer != Refused:
		return ""
	case len(p.Listening) == 0:
		return "; it is this machine, and nobody listens on port " + port
	}
	return "; it is this machine, where somebody listens only on " + strings.Join(p.Listening, ", ")
}

// listening is the cause of a refusal, where it is seen.
func listening(p Probe) string {
	switch {
	case !p.Local:
		return ""
	case len(p.Listening) == 0:
		return "/nobody_listens"
	}
	return "/listens_elsewhere"
}

func refusedRemedy(e *admin.EndpointStatus, f *Facts, service string, p Probe) string {
	if p.Local && len(p.Listening) > 0 {
		host, _, _ := net.SplitHostPort(e.Address)
		return "make it listen on " + host + " or on every address (0.0.0.0), or correct the address in the file"
	}
	return "start what is to listen on " + e.Address + ", or correct its port in the file" + whileCheck(f, service, e) +
		"; and check the port that serves (health_check.port = 0), so that this is seen"
}

func silentRemedy(e *admin.EndpointStatus, f *Facts, service string, p Probe) string {
	remedy := "somebody listens and the application does not answer: look for a hung or overloaded process on " + e.Address + ", or look again with a longer --duration if it is only slow"
	if p.Ended {
		remedy = "somebody listens and hangs up: look for a forwarder on " + e.Address + " that has nobody behind it, such as a container's port, or a server that serves other hosts only (health_check.host is asked for)"
	}
	switch s := f.service(service); {
	case s != nil && s.HealthCheck != nil && strings.HasPrefix(s.HealthCheck.Type, "HTTP"):
		return remedy + "; let request_path of the health check need what traffic needs, so that this is seen"
	case s != nil && s.HealthCheck == nil:
		return remedy + "; a [service.health_check] would see this"
	}
	return remedy + "; let the health check ask what traffic asks (type = \"HTTP\" with a request_path), so that this is seen"
}

// whileCheck points out a check of another port.
func whileCheck(f *Facts, service string, e *admin.EndpointStatus) string {
	_, port, err := net.SplitHostPort(e.Address)
	if checked := f.checkPort(service); err == nil && checked > 0 && port != strconv.Itoa(checked) {
		return fmt.Sprintf(" (traffic goes to port %s, checks to %d)", port, checked)
	}
	return ""
}

// checkPort is the port that the service's checks go to; 0: the one that serves.
func (f *Facts) checkPort(service string) int {
	if s := f.service(service); s != nil && s.HealthCheck != nil {
		return s.HealthCheck.Port
	}
	return 0
}

func withPort(addr string, port int) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func orProxy(from string) string {
	if at, err := netip.ParseAddrPort(from); err == nil {
		return at.Addr().String()
	}
	return "the proxy's address"
}
