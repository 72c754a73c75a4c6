package doctor_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/doctor"
)

// fileWith is a file of a service web with a check of another port.
func fileWith(t *testing.T, more string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("a.toml", []byte("[[listener]]\nlisten = \":80\"\nservice = \"web\"\n[[service]]\nname = \"web\"\nendpoints = [{ address = \"a:80\", id = \"a\", max = 3 }]\n"+more))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEndpointsHaveFindings(t *testing.T) {
	soon := time.Date(2030, 1, 1, 0, 1, 0, 0, time.UTC)
	const check = "[service.health_check]\nport = 9000\n"
	for _, c := range []struct {
		name   string
		file   string
		change func(first, last *admin.EndpointStatus)
		probe  doctor.Probe

		findings, notes string
		says            []string
	}{
		{name: "well", probe: doctor.Probe{Answer: doctor.Answers}},
		{name: "refusing the doctor", file: check, probe: doctor.Probe{Answer: doctor.Refused, Detail: "connection refused"},
			findings: "refusing a", says: []string{"its checks pass on port 9000, but a:80 refuses connections", "traffic goes to port 80, checks to 9000"}},
		{name: "nobody listens", probe: doctor.Probe{Answer: doctor.Refused, Local: true},
			findings: "refusing/nobody_listens a", says: []string{"nobody listens on port 80", "for there is no health_check"}},
		{name: "loopback only", probe: doctor.Probe{Answer: doctor.Refused, Local: true, Listening: []string{"127.0.0.1:80"}},
			findings: "refusing/listens_elsewhere a", says: []string{"listens only on 127.0.0.1:80", "0.0.0.0"}},
		{name: "filtered", probe: doctor.Probe{Answer: doctor.Filtered, Waited: 3 * time.Second, Detail: "i/o timeout"},
			findings: "filtered a", says: []string{"no answer in 3s (i/o timeout)", "let TCP from the proxy's address to a:80 pass"}},
		{name: "unreachable", probe: doctor.Probe{Answer: doctor.Unreachable, Detail: "no route to host"}, findings: "filtered a", says: []string{"cannot be reached (no route to host)"}},
		{name: "silent", probe: doctor.Probe{Answer: doctor.Silent, Waited: 3 * time.Second}, findings: "silent a", says: []string{"does not answer HEAD / in 3s"}},
		{name: "hanging up", probe: doctor.Probe{Answer: doctor.Silent, Ended: true, Detail: "the connection ended: EOF"},
			findings: "silent a", says: []string{"a forwarder on a:80", "a [service.health_check] would see this"}},
		{name: "silent beside a check over HTTP", file: check, probe: doctor.Probe{Answer: doctor.Silent}, findings: "silent a", says: []string{"let request_path of the health check"}},
		{name: "refusing the doctor and not the proxy", probe: doctor.Probe{Answer: doctor.Refused},
			change: func(_, last *admin.EndpointStatus) { last.Requests = 50 }, notes: "probe a", says: []string{"traffic of the proxy does reach it"}},
		{name: "silent to HEAD only", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(_, last *admin.EndpointStatus) { last.Requests = 50 }, notes: "probe a", says: []string{"slow only for HEAD /"}},
		{name: "silent with requests that hang", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(_, last *admin.EndpointStatus) { last.Requests, last.Failures, last.Active = 50, 40, 10 }, findings: "silent a"},
		{name: "silent with clients who leave", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(_, last *admin.EndpointStatus) { last.Requests, last.Neutral, last.Active = 50, 48, 2 }, findings: "silent a"},
		{name: "slow for everybody", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(first, last *admin.EndpointStatus) {
				first.Requests, first.Active, last.Requests, last.Active = 2, 2, 4, 2
			}, notes: "probe a", says: []string{"slow only for HEAD /"}},
		{name: "slow for longer than it is watched", file: "[service.health_check]\ntype = \"HTTP\"\n", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(first, last *admin.EndpointStatus) {
				first.Requests, first.Active, last.Requests, last.Active = 20, 1, 20, 1
			}, notes: "probe a", says: []string{"it has answered traffic before", "--duration"}},
		{name: "slow, and somebody has given up", file: "[service.health_check]\ntype = \"HTTP\"\n", probe: doctor.Probe{Answer: doctor.Silent},
			change: func(first, last *admin.EndpointStatus) {
				first.Requests, first.Active, last.Requests, last.Active, last.Neutral = 20, 1, 21, 1, 1
			}, findings: "silent a"},
		{name: "checked at another port", file: check, probe: doctor.Probe{Answer: doctor.Silent},
			change: func(first, last *admin.EndpointStatus) {
				first.Requests, first.Active, last.Requests, last.Active = 20, 1, 20, 1
			}, findings: "silent a"},
		{name: "refusing the proxy", probe: doctor.Probe{Answer: doctor.Answers},
			change: func(_, last *admin.EndpointStatus) {
				last.Traffic, last.TrafficReason, last.ConnectFailures = "REFUSED", "connection refused", 12
			},
			findings: "refusing a", says: []string{"the proxy's own traffic: connection refused, 12 connect failures"}},
		{name: "filtered for the proxy", change: func(_, last *admin.EndpointStatus) {
			last.Traffic, last.TrafficReason = "REFUSED", "i/o timeout"
		}, findings: "filtered a"},
		{name: "failing", probe: doctor.Probe{Answer: doctor.Answers},
			change: func(_, last *admin.EndpointStatus) { last.Requests, last.Failures = 50, 40 }, findings: "failing a", says: []string{"40 of 50 requests failed"}},
		{name: "refused by its check", file: check, change: func(_, last *admin.EndpointStatus) {
			last.Health, last.Reason, last.Checks = "UNHEALTHY", "connection refused", &admin.CheckStatus{Streak: -7, Since: &soon}
		}, findings: "no-healthy, unhealthy/refused a", says: []string{"the last 7 checks failed", "2030-01-01", "answer on a:9000"}},
		{name: "timed out", change: func(_, last *admin.EndpointStatus) { last.Health, last.Reason = "TIMEOUT", "no answer in 5s" },
			findings: "no-healthy, unhealthy/timeout a", says: []string{"hangs, or a firewall"}},
		{name: "nowhere", change: func(_, last *admin.EndpointStatus) {
			last.Health, last.Reason = "UNHEALTHY", "network is unreachable"
		}, findings: "no-healthy, unhealthy/unreachable a"},
		{name: "another status", change: func(_, last *admin.EndpointStatus) {
			last.Health, last.Reason = "UNHEALTHY", "status 500, want 200"
		}, findings: "no-healthy, unhealthy a", says: []string{"it answers a:80"}},
		{name: "not checked yet", file: check, change: func(_, last *admin.EndpointStatus) { last.Health = "UNKNOWN" }, notes: "unchecked"},
		{name: "ill and down", change: func(_, last *admin.EndpointStatus) { last.Health, last.Admin = "UNHEALTHY", "DOWN" }, findings: "no-healthy"},
		{name: "flapping", change: func(_, last *admin.EndpointStatus) {
			last.Checks = &admin.CheckStatus{Flaps: 6, Last: []admin.CheckResult{{Reason: "status 503"}, {OK: true}}}
		}, findings: "flapping a", says: []string{"changed 6 times", "status 503"}},
		{name: "changed once", change: func(_, last *admin.EndpointStatus) { last.Checks = &admin.CheckStatus{Flaps: 1} }},
		{name: "ejected", change: func(_, last *admin.EndpointStatus) {
			last.Ejected, last.EjectedFor, last.EjectedUntil, last.Ejections = true, "consecutive_errors", &soon, 2
		}, findings: "no-healthy, ejected a", says: []string{"consecutive_errors", "2 times so far"}},
		{name: "at its max", change: func(first, last *admin.EndpointStatus) { first.Active, last.Active = 3, 3 }, findings: "saturated a", says: []string{"raise its max"}},
		{name: "at its max for a moment", change: func(_, last *admin.EndpointStatus) { last.Active = 3 }},
		{name: "drained", change: func(first, last *admin.EndpointStatus) {
			first.ShareExpected = 0
			last.Admin, last.Dropped, last.ShareExpected = "DRAIN", "DRAIN", 0
		},
			notes: "idle a", says: []string{"spillway ready web a"}},
		{name: "for a reason that is new", change: func(_, last *admin.EndpointStatus) { last.Dropped = "NEW" }, notes: "idle a", says: []string{"it is NEW"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, last := well("a", 1, 0), well("a", 1, 0)
			if c.change != nil {
				c.change(&first, &last)
			}
			f := watched(web(first), web(last))
			f.File = fileWith(t, c.file)
			for i := range f.Readings {
				f.Readings[i].Proxy.Config = f.File.Fingerprint()
			}
			if c.probe.Answer != "" {
				f.Probes = map[doctor.ProbeKey]doctor.Probe{{Service: "web", Endpoint: "a"}: c.probe}
			}
			r := doctor.Judge(f)
			if got := names(r.Findings); got != c.findings {
				t.Errorf("found %q, want %q", got, c.findings)
			}
			if got := names(r.Notes); got != c.notes {
				t.Errorf("noted %q, want %q", got, c.notes)
			}
			says(t, append(r.Findings, r.Notes...), c.says...)
		})
	}
}

func TestServicesHaveFindings(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) // of the first reading; the last is 10 s later
	capacity := func(g admin.GroupCapacity) *admin.GroupCapacity { return &g }
	for _, c := range []struct {
		name            string
		change          func(first, last *admin.ServiceStatus)
		findings, notes string
		says            []string
	}{
		{"panic", func(_, last *admin.ServiceStatus) { last.Panic, last.Panics = true, 3 }, "panic", "", []string{"3 times so far"}},
		{"nobody is found", func(first, last *admin.ServiceStatus) {
			first.Groups[0].Name, last.Groups[0].Name = "pods", "pods"
			first.Groups[0].Endpoints, last.Groups[0].Endpoints = nil, nil
			last.Panic, last.Panics = true, 1
		}, "no-endpoints", "", []string{"pods: nobody is in it", "the DNS"}},
		{"nobody who is found can be used", func(first, last *admin.ServiceStatus) {
			first.Groups[0].Endpoints, last.Groups[0].Endpoints = nil, nil
			last.Groups[0].Unusable = []string{"10.0.0.1: has no port"}
		}, "no-endpoints/unusable", "", []string{"1 endpoint was found", "10.0.0.1: has no port"}},
		{"it has left the file", func(first, last *admin.ServiceStatus) { first.Groups, last.Groups = nil, nil }, "", "", nil},
		{"many ejected", func(_, last *admin.ServiceStatus) {
			for i := range last.Groups[0].Endpoints {
				last.Groups[0].Endpoints[i].Ejected = true
			}
		}, "no-healthy, ejected/many, ejected a, ejected b", "", []string{"2 of 2 endpoints are ejected"}},
		{"removed with a limit", func(_, last *admin.ServiceStatus) {
			until := at.Add(time.Minute)
			last.Removed = []admin.RemovedStatus{{ID: "old", Since: at, Active: 2, Bytes: 1000, Oldest: 75, Until: &until}, {ID: "gone", Since: at}}
		}, "removed-with-traffic old", "", []string{"it left the file 10s ago and still has 2 requests or connections with 1000 bytes so far, the oldest for 1m15s, until 2030-01-01T00:01:00Z", "spillway drain web old --wait"}},
		{"removed without a limit", func(_, last *admin.ServiceStatus) {
			last.Removed = []admin.RemovedStatus{{ID: "old", Since: at, Active: 1}}
		}, "removed-with-traffic old", "", []string{"1 request or connection, without a limit"}},
		{"stale connections", func(_, last *admin.ServiceStatus) { last.Attempts = map[string]uint64{"stale_connection": 8} },
			"keepalive-inversion", "", []string{"8 requests met an idle connection"}},
		{"two stale connections", func(_, last *admin.ServiceStatus) { last.Attempts = map[string]uint64{"stale_connection": 2} }, "", "", nil},
		{"one missing weight", func(_, last *admin.ServiceStatus) {
			last.Policy, last.Weights = "WEIGHTED_MAGLEV", "CONFIGURED"
			last.Groups[0].Endpoints[0].WeightError, last.Groups[0].Endpoints[1].WeightError = "WEIGHT_NONE", "MISSING_WEIGHT"
		}, "weights", "", []string{"b MISSING_WEIGHT", "1 endpoint reports a good one"}},
		{"no weights at all", func(_, last *admin.ServiceStatus) {
			last.Policy, last.Weights = "WEIGHTED_MAGLEV", "CONFIGURED"
			last.Groups[0].Endpoints[0].WeightError, last.Groups[0].Endpoints[1].WeightError = "MISSING_WEIGHT", "MISSING_WEIGHT"
		}, "", "", nil},
		{"a full group", func(_, last *admin.ServiceStatus) {
			last.Groups[0].Name = "near"
			last.Groups[0].GroupCapacity = capacity(admin.GroupCapacity{BalancingMode: "RATE", Target: 100, CapacityScaler: 1, Capacity: 100, Usage: 100, Fullness: 1})
			last.Spills = []admin.Spill{{From: "near", To: "far", Count: 30}}
		}, "capacity/full", "", []string{"30 flows spilled"}},
		{"nobody else has room", func(_, last *admin.ServiceStatus) {
			last.Groups[0].Name = "near"
			last.Groups[0].GroupCapacity = capacity(admin.GroupCapacity{BalancingMode: "RATE", Target: 100, CapacityScaler: 1, Capacity: 100, Usage: 150, Fullness: 1.5})
		}, "capacity/overfull", "", []string{"150 of 100 by RATE"}},
		{"the only group is closed", func(_, last *admin.ServiceStatus) {
			last.Groups[0].Name = "near"
			last.Groups[0].GroupCapacity = capacity(admin.GroupCapacity{BalancingMode: "RATE", Target: 100, Drained: true})
		}, "capacity/scaler_0", "", []string{"spillway ready web --group near"}},
		{"a target of nothing", func(_, last *admin.ServiceStatus) {
			last.Groups[0].GroupCapacity = capacity(admin.GroupCapacity{BalancingMode: "RATE", CapacityScaler: 1})
		}, "capacity/target_0", "", nil},
		{"a target that reports will tell", func(_, last *admin.ServiceStatus) {
			last.Groups[0].GroupCapacity = capacity(admin.GroupCapacity{BalancingMode: "UTILIZATION", CapacityScaler: 1})
		}, "", "", nil},
		{"a hairpin by the proxy's address", func(_, last *admin.ServiceStatus) {
			last.Groups[0].Endpoints[1].Address = "10.0.0.2:80"
			last.Sources = &admin.SpreadStatus{Flows: 9, Busiest: []admin.SourceStatus{{Address: "10.0.0.9", Share: 0.9}, {Address: "10.0.0.2", Share: 0.1}}}
		}, "", "hairpin b", []string{"this works"}},
		{"a hairpin by the client's address", func(_, last *admin.ServiceStatus) {
			last.SourceFallbacks = map[string]uint64{"hairpin": 4}
		}, "hairpin", "", []string{"4 connections came from endpoints"}},
		{"everybody on loopback", func(_, last *admin.ServiceStatus) {
			last.Groups[0].Endpoints[1].Address = "127.0.0.1:80"
			last.Sources = &admin.SpreadStatus{Flows: 9, Busiest: []admin.SourceStatus{{Address: "127.0.0.1", Share: 1}}}
		}, "", "", nil},
		{"streams of before", func(_, last *admin.ServiceStatus) {
			last.Protocol = "TCP"
			last.Groups[0].Endpoints[0].Active = 90
		}, "uneven/long_streams a", "", []string{"90 connections are open"}},
		{"requests that take long", func(_, last *admin.ServiceStatus) { last.Groups[0].Endpoints[0].Active = 90 }, "", "", nil},
		{"few streams", func(_, last *admin.ServiceStatus) {
			last.Protocol = "TCP"
			last.Groups[0].Endpoints[0].Active = 19
		}, "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := web(well("a", 0.5, 0), well("b", 0.5, 0))
			last := web(well("a", 0.5, 50), well("b", 0.5, 50))
			c.change(&first, &last)
			r := doctor.Judge(watched(first, last))
			if got := names(r.Findings); got != c.findings {
				t.Errorf("found %q, want %q", got, c.findings)
			}
			if got := names(r.Notes); got != c.notes {
				t.Errorf("noted %q, want %q", got, c.notes)
			}
			says(t, append(r.Findings, r.Notes...), c.says...)
		})
	}
}

func TestAShorterKeepAliveIsFoundBeforeARequestMeetsIt(t *testing.T) {
	f := watched(web(well("a", 1, 0)), web(well("a", 1, 50)))
	f.File = fileWith(t, "")
	f.Readings[1].Proxy.Config = f.File.Fingerprint()
	f.Probes = map[doctor.ProbeKey]doctor.Probe{{Service: "web", Endpoint: "a"}: {Answer: doctor.Answers, KeepAlive: 5 * time.Second}}
	r := doctor.Judge(f)
	if names(r.Findings) != "keepalive-inversion a" || names(r.Notes) != "" {
		t.Errorf("found %q, noted %q", names(r.Findings), names(r.Notes))
	}
	says(t, r.Findings, "for 5s, the proxy for 10m0s", "below 5s")

	f.Probes = map[doctor.ProbeKey]doctor.Probe{{Service: "web", Endpoint: "a"}: {Answer: doctor.Answers, KeepAlive: 20 * time.Millisecond}}
	r = doctor.Judge(f)
	if names(r.Findings) != "" || names(r.Notes) != "keepalive-inversion a" {
		t.Errorf("of one that hangs up at once it found %q, noted %q", names(r.Findings), names(r.Notes))
	}
}

func TestIdleNamesTheGroupToOpen(t *testing.T) {
	s := web(well("a", 1, 0))
	s.Groups[0].Name, s.Groups[0].Endpoints[0].Dropped = "eu-a", "GROUP_DRAINED"
	says(t, doctor.Judge(watched(s, s)).Notes, "spillway ready web --group eu-a")
}
