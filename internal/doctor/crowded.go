package doctor

import (
	"fmt"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

// overflowing says of each limit that somebody can be turned away for what those have
// met, and what to do. The order is that of a request on its way.
var overflowing = []struct {
	limit, met, remedy string
	value              func(admin.Limits) string
}{
	{"max_requests", "found as many under way as max_requests allows",
		"raise max_requests if the endpoints can take more, else add endpoints; with max_connections instead requests wait for a while before they are refused",
		func(l admin.Limits) string { return number(l.MaxRequests) }},
	{"max_connections", "found no connection in time, as many as max_connections allows being taken",
		"raise max_connections if the endpoints can take more, else add endpoints; max_pending_requests and pending_timeout say who may wait",
		func(l admin.Limits) string { return number(l.MaxConnections) }},
	{"max", "found every endpoint with as many as its max allows",
		"raise max of the endpoints if they can take more, or add endpoints; with circuit_breakers such requests wait for a while",
		nil},
	{"max_pending_requests", "found as many waiting as max_pending_requests allows",
		"add endpoints, or raise what they wait for (max_connections, or max of the endpoints); a larger max_pending_requests only stands longer bursts",
		func(l admin.Limits) string { return number(l.MaxPendingRequests) }},
	{"pending_timeout", "waited for as long as pending_timeout allows, in vain",
		"add endpoints, or raise what they wait for (max_connections, or max of the endpoints): more comes than may be served at once, and a longer pending_timeout only lets more wait",
		func(l admin.Limits) string { return seconds(l.PendingTimeout).String() }},
}

// judgeCrowding is of services whose limits turn somebody away, or let them wait.
func judgeCrowding(at place, f *Facts, c course) {
	s, turnedAway := c.last(), false
	for _, o := range overflowing {
		n := grown(c.first().Overflows[o.limit], s.Overflows[o.limit])
		if n == 0 {
			continue
		}
		turnedAway = true
		evidence := fmt.Sprintf("%s in %v %s", flowsOf(s, n), round(f.window()), o.met)
		if s.Queue != nil && o.value != nil {
			evidence += " (" + o.value(s.Queue.Limits) + ")"
		}
		at.find("overflow/"+o.limit, evidence+crowd(s.Queue), o.remedy)
	}
	if !turnedAway {
		judgeQueue(at, f, c)
	}
}

// judgeQueue is of services where requests wait, and nobody is turned away so far. A
// burst may: that is what the queue is for.
func judgeQueue(at place, f *Facts, c course) {
	s := c.last()
	if s.Queue == nil || c.first().Queue == nil {
		return
	}
	some := 0
	for _, r := range c {
		if r.Queue != nil && r.Queue.Queued > 0 {
			some++
		}
	}
	n := grown(c.first().Queue.QueuedTotal, s.Queue.QueuedTotal)
	evidence := fmt.Sprintf("%s began to wait in %v, because all was taken", flowsOf(s, n), round(f.window())) + crowd(s.Queue)
	switch {
	case 2*some > len(c):
		at.find("queue", evidence+fmt.Sprintf("; some did whenever it was looked at but %d times", len(c)-some),
			"more comes than may be served at once: add endpoints, or raise max_connections or max of the endpoints if they can take more; what waits for longer than pending_timeout is refused")
	case n > 0:
		at.note("queue", evidence, "nothing, if these are bursts: the queue is for those")
	}
}

// crowd is what is taken now, of a service with circuit breakers.
func crowd(q *admin.QueueStatus) string {
	if q == nil {
		return ""
	}
	text := fmt.Sprintf("; %d under way and %d waiting now", q.Active, q.Queued)
	if q.Overloaded {
		text += ", the newest first, since the queue does not become empty"
	}
	return text
}

// flowsOf is "3 requests", or whatever the service has.
func flowsOf(s *admin.ServiceStatus, n uint64) string {
	switch s.Protocol {
	case "TCP", "SSL":
		return plural(n, "connection", "connections")
	case "UDP":
		return plural(n, "datagram", "datagrams")
	}
	return plural(n, "request", "requests")
}

// number is a limit's value. Since somebody met it a reload may have taken it away.
func number(n int64) string {
	if n == 0 {
		return "no limit now"
	}
	return fmt.Sprint(n)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

// judgePanic is of a service of which so few endpoints are healthy that its panic
// decides who gets traffic, now or a moment ago.
func judgePanic(at place, f *Facts, c course, well, all int) {
	s := c.last()
	shed := grown(c.first().Shed, s.Shed)
	mode, threshold := "", 0
	if spec := f.service(s.Name); spec != nil {
		mode, threshold = spec.Panic, spec.PanicThreshold
	}
	if !s.Panic {
		at.find("panic/shed", fmt.Sprintf("%s were refused in %v in a panic that is over", flowsOf(s, shed), round(f.window())),
			"see which endpoints were ill for a moment; panic_threshold says when a panic begins")
		return
	}
	evidence := fmt.Sprintf("%d of %d endpoints are healthy", well, all)
	if threshold > 0 {
		evidence += fmt.Sprintf(", fewer than the %d %% of panic_threshold", threshold)
	}
	if s.PanicSince != nil {
		evidence += ", since " + s.PanicSince.Format(time.RFC3339)
	}
	evidence += fmt.Sprintf(", and panic decides who gets traffic (entered %s so far): ", plural(s.Panics, "time", "times"))
	switch {
	case s.Sheds > 0 || shed > 0:
		at.find("panic/shed", evidence+fmt.Sprintf("%s of what comes is refused, %d while it was watched, so that the healthy get no more than usual", percent(s.Sheds), shed),
			"mend endpoints or add some; panic_threshold says when it begins, and panic = \"open\" would send traffic to the ill instead")
	case mode == "closed" || mode == "shed":
		at.find("panic/closed", evidence+"everything is refused",
			"mend endpoints; if all are well in truth, mend the health_check; panic_threshold says when it begins, and panic = \"open\" would send traffic to the ill instead")
	default:
		at.find("panic", evidence+"also those that are ill, unless panic = \"closed\" refuses everything",
			"mend endpoints or add some; panic_threshold says when it begins, and panic = \"closed\" refuses instead")
	}
}
