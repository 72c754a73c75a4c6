package doctor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/doctor"
)

func TestAffinityThatIsLostHasACause(t *testing.T) {
	// weak and strong make a service of them, whose counters have grown so.
	results := func(affinity, policy string, grown map[string]uint64, more func(first, last *admin.ServiceStatus)) func(first, last *admin.ServiceStatus) {
		return func(first, last *admin.ServiceStatus) {
			first.AffinityResults, last.AffinityResults = map[string]uint64{}, map[string]uint64{}
			for name, n := range grown {
				first.AffinityResults[name], last.AffinityResults[name] = 100, 100+n
			}
			for _, s := range []*admin.ServiceStatus{first, last} {
				s.Affinity, s.Policy = affinity, policy
			}
			if more != nil {
				more(first, last)
			}
		}
	}
	weak := func(grown map[string]uint64, more func(first, last *admin.ServiceStatus)) func(first, last *admin.ServiceStatus) {
		return results("HEADER_FIELD", "MAGLEV", grown, more)
	}
	strong := func(grown map[string]uint64, more func(first, last *admin.ServiceStatus)) func(first, last *admin.ServiceStatus) {
		return results("STRONG_COOKIE_AFFINITY", "ROUND_ROBIN", grown, more)
	}
	drop := func(s *admin.ServiceStatus, why string) { s.Groups[0].Endpoints[1].Dropped = why }
	for _, v := range []verdict{
		{name: "kept", change: weak(map[string]uint64{"keyed": 1000}, nil)},
		{name: "a trifle", change: weak(map[string]uint64{"keyed": 10_000, "at_max": 50, "group_full": 90}, nil)},
		{name: "endpoints at their max", change: weak(map[string]uint64{"keyed": 1000, "at_max": 50}, nil), findings: "affinity-loss/max",
			says: []string{"50 of 1000 with a key in 10s found the key's endpoint at its max"}},
		{name: "a full group", change: weak(map[string]uint64{"keyed": 1000, "group_full": 500}, nil), findings: "affinity-loss/group_full", says: []string{"500 of 1000", "STRONG_COOKIE_AFFINITY"}},
		{name: "an ill endpoint", change: weak(map[string]uint64{"keyed": 1000}, func(first, last *admin.ServiceStatus) { drop(first, "UNHEALTHY"); drop(last, "UNHEALTHY") }),
			notes: "idle b, affinity-loss/ill b", says: []string{"it is UNHEALTHY, and its keys, about 50.0 % of all, are elsewhere meanwhile"}},
		{name: "a drained endpoint", change: weak(map[string]uint64{"keyed": 1000}, func(_, last *admin.ServiceStatus) { drop(last, "DRAIN") }), notes: "idle b, affinity-loss/drain b"},
		{name: "an endpoint of no weight", change: weak(map[string]uint64{"keyed": 1000}, func(_, last *admin.ServiceStatus) {
			drop(last, "WEIGHT_0")
			last.Groups[0].Endpoints[1].Weight = 0
		}), notes: "idle b"},
		{name: "without affinity", change: results("NONE", "MAGLEV", map[string]uint64{"keyed": 1000, "at_max": 500}, nil)},
		{name: "a policy without keys", change: results("CLIENT_IP", "ROUND_ROBIN", nil, func(_, last *admin.ServiceStatus) { drop(last, "DRAIN") }), notes: "idle b"},

		{name: "sessions kept", change: strong(map[string]uint64{"hit": 1000, "miss": 500, "expired": 300}, nil)},
		{name: "few sessions moved", change: strong(map[string]uint64{"hit": 1000, "moved": 9}, nil)},
		{name: "sessions moved from the full", change: strong(map[string]uint64{"hit": 900, "moved": 100, "at_max": 100}, nil), findings: "affinity-loss/max",
			says: []string{"100 of 1000 requests with a session in 10s were answered by another endpoint", "100 found their endpoint at its max"}},
		{name: "sessions moved from the ill", change: strong(map[string]uint64{"hit": 900, "moved": 100}, func(first, _ *admin.ServiceStatus) { drop(first, "UNHEALTHY") }),
			findings: "affinity-loss/ill", says: []string{"b UNHEALTHY could not be had"}},
		{name: "sessions moved from the ejected", change: strong(map[string]uint64{"hit": 900, "moved": 100}, func(first, _ *admin.ServiceStatus) { drop(first, "EJECTED") }),
			findings: "affinity-loss/ill", says: []string{"b EJECTED could not be had"}},
		{name: "sessions moved by a drain", change: strong(map[string]uint64{"hit": 900, "moved": 100}, func(_, last *admin.ServiceStatus) { drop(last, "DRAIN") }),
			findings: "affinity-loss/drain", notes: "idle b", says: []string{"keep_sessions"}},
		{name: "sessions moved from the gone", change: strong(map[string]uint64{"hit": 900, "moved": 100}, func(first, _ *admin.ServiceStatus) {
			first.Groups[0].Endpoints = append(first.Groups[0].Endpoints, well("c", 0, 0))
		}), findings: "affinity-loss/gone", notes: "uneven", says: []string{"c left the file"}},
		{name: "sessions moved after failures", change: strong(map[string]uint64{"hit": 900, "moved": 100}, nil), findings: "affinity-loss/failed"},
		{name: "sessions refused", change: strong(map[string]uint64{"hit": 900, "refused": 100}, func(_, last *admin.ServiceStatus) { drop(last, "UNHEALTHY") }),
			findings: "affinity-loss/ill", notes: "idle b", says: []string{"100 were refused, as strict wants"}},
		{name: "cookies of another key", change: strong(map[string]uint64{"hit": 50, "invalid": 950}, nil), findings: "affinity-loss/invalid", says: []string{"950 of 1000 strong cookies"}},
	} {
		t.Run(v.name, v.check)
	}
}

func TestKeysThatComeAndGoAreFound(t *testing.T) {
	reading := func(dropped string) admin.ServiceStatus {
		s := web(well("a", 0.5, 0), well("b", 0.5, 0))
		s.Affinity, s.Policy = "CLIENT_IP", "RING_HASH"
		s.Groups[0].Endpoints[1].Dropped = dropped
		return s
	}
	f := watched(reading(""), reading(""))
	between := doctor.Reading{At: f.Readings[0].At.Add(time.Second), Services: []admin.ServiceStatus{reading("UNHEALTHY")}}
	f.Readings = slices.Insert(f.Readings, 1, between)
	r := doctor.Judge(f)
	if got := names(r.Findings); got != "affinity-loss/flapping b" {
		t.Errorf("found %q", got)
	}
	says(t, r.Findings, "2 times in 10s, and its keys, about 50.0 % of all, with it each time", "flap_damping")
}
