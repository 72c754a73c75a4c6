package doctor_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/doctor"
)

// A verdict is what is found and noted of a service of a and b, which both got 500.
type verdict struct {
	name            string
	file            string // of the service
	change          func(first, last *admin.ServiceStatus)
	findings, notes string
	says            []string
}

func (v verdict) check(t *testing.T) {
	t.Helper()
	first := web(well("a", 0.5, 0), well("b", 0.5, 0))
	last := web(well("a", 0.5, 500), well("b", 0.5, 500))
	v.change(&first, &last)
	f := watched(first, last)
	if v.file != "" {
		cfg, err := config.Parse("a.toml", []byte("[[listener]]\nlisten = \":80\"\nservice = \"web\"\n[[service]]\nname = \"web\"\n"+
			"endpoints = [{ address = \"a:80\", id = \"a\" }, { address = \"b:80\", id = \"b\" }]\n"+v.file))
		if err != nil {
			t.Fatal(err)
		}
		f.File = cfg
		for i := range f.Readings {
			f.Readings[i].Proxy.Config = cfg.Fingerprint()
		}
	}
	r := doctor.Judge(f)
	if got := names(r.Findings); got != v.findings {
		t.Errorf("found %q, want %q", got, v.findings)
	}
	if got := names(r.Notes); got != v.notes {
		t.Errorf("noted %q, want %q", got, v.notes)
	}
	says(t, append(r.Findings, r.Notes...), v.says...)
}

func TestLimitsThatTurnSomebodyAwayAreFound(t *testing.T) {
	queue := func(total uint64, queued int64) *admin.QueueStatus {
		return &admin.QueueStatus{Limits: admin.Limits{MaxConnections: 7, MaxRequests: 9, MaxPendingRequests: 3, PendingTimeout: 2}, Active: 7, Queued: queued, QueuedTotal: total}
	}
	overflow := func(limit string, n uint64) func(first, last *admin.ServiceStatus) {
		return func(first, last *admin.ServiceStatus) {
			first.Queue, last.Queue = queue(0, 0), queue(n, 2)
			first.Overflows, last.Overflows = map[string]uint64{limit: 40}, map[string]uint64{limit: 40 + n}
		}
	}
	for _, v := range []verdict{
		{name: "none", change: overflow("max_requests", 0)},
		{name: "max_requests", change: overflow("max_requests", 5), findings: "overflow/max_requests",
			says: []string{"5 requests in 10s found as many under way as max_requests allows (9); 7 under way and 2 waiting now", "raise max_requests"}},
		{name: "max_connections", change: overflow("max_connections", 1), findings: "overflow/max_connections", says: []string{"1 request in 10s", "max_connections allows being taken (7)"}},
		{name: "max_pending_requests", change: overflow("max_pending_requests", 5), findings: "overflow/max_pending_requests", says: []string{"found as many waiting", "(3)"}},
		{name: "pending_timeout", change: overflow("pending_timeout", 5), findings: "overflow/pending_timeout", says: []string{"pending_timeout allows, in vain (2s)"}},
		{name: "max", change: overflow("max", 5), findings: "overflow/max", says: []string{"every endpoint with as many as its max allows", "raise max of the endpoints"}},
		{name: "two limits", change: func(first, last *admin.ServiceStatus) {
			overflow("pending_timeout", 5)(first, last)
			last.Overflows["max_pending_requests"] = 4
			last.Queue.Overloaded = true
		}, findings: "overflow/max_pending_requests, overflow/pending_timeout", says: []string{"the newest first, since the queue does not become empty"}},
		{name: "without circuit breakers, over TCP", change: func(_, last *admin.ServiceStatus) {
			last.Protocol, last.Overflows = "TCP", map[string]uint64{"max": 2}
		}, findings: "overflow/max", says: []string{"2 connections in 10s found"}},
		{name: "a burst", change: func(first, last *admin.ServiceStatus) { first.Queue, last.Queue = queue(10, 0), queue(40, 0) },
			notes: "queue", says: []string{"30 requests began to wait in 10s"}},
		{name: "no burst", change: func(first, last *admin.ServiceStatus) { first.Queue, last.Queue = queue(10, 1), queue(40, 1) },
			findings: "queue", says: []string{"whenever it was looked at but 0 times"}},
		{name: "nobody waits", change: func(first, last *admin.ServiceStatus) { first.Queue, last.Queue = queue(10, 0), queue(10, 0) }},
	} {
		t.Run(v.name, v.check)
	}
}

func TestPanicSaysWhatItDoesAndSinceWhen(t *testing.T) {
	since := time.Date(2030, 1, 1, 0, 0, 5, 0, time.UTC)
	halfWell := func(_, last *admin.ServiceStatus) {
		last.Panic, last.Panics, last.PanicSince = true, 1, &since
		b := &last.Groups[0].Endpoints[1]
		b.Health, b.Reason = "UNHEALTHY", "status 500"
	}
	shedding := func(first, last *admin.ServiceStatus) {
		halfWell(first, last)
		last.Sheds, first.Shed, last.Shed = 0.5, 10, 510
	}
	const ill = "unhealthy b"
	for _, v := range []verdict{
		{name: "open", file: "panic = \"open\"\npanic_threshold = 60\n[service.health_check]\n", change: halfWell, findings: "panic, " + ill,
			says: []string{"1 of 2 endpoints are healthy, fewer than the 60 % of panic_threshold, since 2030-01-01T00:00:05Z", "also those that are ill"}},
		{name: "closed", file: "panic = \"closed\"\npanic_threshold = 60\n[service.health_check]\n", change: halfWell, findings: "panic/closed, " + ill, says: []string{"everything is refused"}},
		{name: "shed", file: "panic = \"shed\"\npanic_threshold = 60\n[service.health_check]\n", change: shedding, findings: "panic/shed, " + ill,
			says: []string{"50.0 % of what comes is refused, 500 while it was watched", "since 2030"}},
		{name: "shed, without the file", change: shedding, findings: "panic/shed, " + ill, says: []string{"50.0 % of what comes is refused"}},
		{name: "over, having shed", change: func(_, last *admin.ServiceStatus) { last.Shed = 20 }, findings: "panic/shed", says: []string{"20 requests were refused in 10s in a panic that is over"}},
	} {
		t.Run(v.name, v.check)
	}
}

func TestTheCapOfEjectionsIsNamed(t *testing.T) {
	spared := func(because string) func(_, last *admin.ServiceStatus) {
		return func(_, last *admin.ServiceStatus) {
			a, b := &last.Groups[0].Endpoints[0], &last.Groups[0].Endpoints[1]
			a.Ejected, a.EjectedFor, a.Dropped = true, "CONSECUTIVE_ERRORS", "EJECTED"
			b.SparedFor, b.SparedBecause, b.Failures = "CONSECUTIVE_GATEWAY_FAILURE", because, 70
		}
	}
	for _, v := range []verdict{
		{name: "cap", file: "[service.outlier_detection]\nmax_ejection_percent = 60\n", change: spared("max_ejection_percent"), findings: "ejected a, ejected/cap b",
			says: []string{"by CONSECUTIVE_GATEWAY_FAILURE", "1 of 2 endpoints are ejected, and max_ejection_percent (60) keeps further ill ones in use; 70 of its 500 requests failed"}},
		{name: "cap, without the file", change: spared("max_ejection_percent"), findings: "ejected a, ejected/cap b", says: []string{"and max_ejection_percent keeps"}},
		{name: "last one", change: spared("nobody else could serve"), findings: "ejected a, ejected/last_one b", says: []string{"may not: nobody else could serve"}},
	} {
		t.Run(v.name, v.check)
	}
}

func TestRequestsThatCameRoundAreALoop(t *testing.T) {
	for _, v := range []verdict{
		{name: "now", change: func(first, last *admin.ServiceStatus) { first.Loops, last.Loops = 3, 7 }, findings: "loop", says: []string{"4 requests in 10s came back", "508"}},
		{name: "before", change: func(first, last *admin.ServiceStatus) { first.Loops, last.Loops = 7, 7 }},
	} {
		t.Run(v.name, v.check)
	}
}
