package doctor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/doctor"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// An endpoint that goes into a reading, with what is usual filled in.
func well(id string, share float64, requests uint64) admin.EndpointStatus {
	return admin.EndpointStatus{ID: id, Address: id + ":80", Health: "HEALTHY", Admin: "READY", Weight: 1, Warm: 1, ShareExpected: share, Requests: requests}
}

// web is a service of endpoints, in a group of no capacity.
func web(endpoints ...admin.EndpointStatus) admin.ServiceStatus {
	return admin.ServiceStatus{Name: "web", Protocol: "HTTP", Policy: "ROUND_ROBIN", Affinity: "NONE", Version: 1,
		Groups: []admin.GroupStatus{{Endpoints: endpoints}}}
}

// watched is what two readings of one service say.
func watched(first, last admin.ServiceStatus) *doctor.Facts {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p := admin.ProxyStatus{Started: at}
	return &doctor.Facts{Readings: []doctor.Reading{
		{At: at, Services: []admin.ServiceStatus{first}, Proxy: &p},
		{At: at.Add(10 * time.Second), Services: []admin.ServiceStatus{last}, Proxy: &p},
	}}
}

// names are the findings, or notes, as "check/cause endpoint".
func names(all []doctor.Finding) string {
	var out []string
	for _, f := range all {
		name := f.Check
		if f.Cause != "" {
			name += "/" + f.Cause
		}
		out = append(out, strings.TrimSpace(name+" "+f.Endpoint))
	}
	return strings.Join(out, ", ")
}

// says checks that every finding has evidence and a remedy, and one these words.
func says(t *testing.T, all []doctor.Finding, words ...string) {
	t.Helper()
	text := ""
	for _, f := range all {
		if f.Evidence == "" || f.Remedy == "" {
			t.Errorf("%+v has no evidence or no remedy", f)
		}
		text += f.Evidence + " → " + f.Remedy + "\n"
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("nothing says %q:\n%s", w, text)
		}
	}
}

func Example() {
	first := web(well("a", 0.5, 1000), well("b", 0.5, 1000))
	last := web(well("a", 0.5, 1900), well("b", 0.5, 1100))
	for _, s := range []*admin.ServiceStatus{&first, &last} {
		s.Policy, s.Affinity = "MAGLEV", "CLIENT_IP"
		s.Keys = &admin.SpreadStatus{Flows: 1000, Effective: 1.2, TopShare: 0.9}
		s.Sources = &admin.SpreadStatus{Flows: 1000, Effective: 1.2, Top: "192.0.2.7", TopShare: 0.9}
	}
	report := doctor.Judge(watched(first, last))
	for _, f := range report.Findings {
		fmt.Println(f.Check, f.Cause, f.Endpoint)
		fmt.Println(f.Evidence)
	}
	// Output:
	// uneven few_sources a
	// of 1000 new flows in 10s: a 90.0 % instead of 50.0 %, b 10.0 % instead of 50.0 % (chi-square 640, p below 1e-9); the traffic is that of 1.2 equal keys, the busiest of which has 90.0 % of it; session_affinity = "CLIENT_IP" sees few client addresses, 192.0.2.7 with 90.0 %: they are behind a NAT or a proxy, or few
}

func TestUnevenHasACause(t *testing.T) {
	spread := func(effective, top float64) *admin.SpreadStatus {
		return &admin.SpreadStatus{Flows: 1000, Effective: effective, TopShare: top}
	}
	for _, c := range []struct {
		name                    string
		a, b                    uint64 // what two endpoints of equal share got
		change                  func(first, last *admin.ServiceStatus)
		findings, notes, saying string
	}{
		{"even", 500, 500, nil, "", "", ""},
		{"what chance does", 530, 470, nil, "", "", ""},
		{"significant and a trifle", 52_000, 48_000, nil, "", "", ""},
		{"no traffic", 0, 0, nil, "", "uneven", "0 flows"},
		{"19 flows for two", 19, 0, nil, "", "uneven", "2 endpoints need 20"},
		{"unexplained", 900, 100, nil, "uneven/unexplained a", "", "90.0 % instead of 50.0 %"},
		{"weights are expected", 900, 100, func(first, last *admin.ServiceStatus) {
			for _, s := range []*admin.ServiceStatus{first, last} {
				s.Groups[0].Endpoints[0].ShareExpected, s.Groups[0].Endpoints[1].ShareExpected = 0.9, 0.1
			}
		}, "", "", ""},
		{"an endpoint without a share", 1000, 0, func(first, last *admin.ServiceStatus) {
			for _, s := range []*admin.ServiceStatus{first, last} {
				s.Groups[0].Endpoints[0].ShareExpected, s.Groups[0].Endpoints[1].ShareExpected = 1, 0
				s.Groups[0].Endpoints[1].Dropped = "WEIGHT_0"
			}
		}, "", "idle b", "its weight is 0"},
		{"shares that change", 900, 100, func(_, last *admin.ServiceStatus) { last.Version = 2 }, "", "uneven", "there is no distribution to judge"},
		{"an endpoint that is new", 900, 100, func(first, _ *admin.ServiceStatus) {
			first.Groups[0].Endpoints = first.Groups[0].Endpoints[:1]
		}, "", "uneven", "there is no distribution to judge"},
		{"failures that are tried again", 750, 250, func(_, last *admin.ServiceStatus) { last.Groups[0].Endpoints[1].Failures = 100 }, "", "uneven/failures a", "mend b first"},
		{"LEAST_REQUEST", 750, 250, func(_, last *admin.ServiceStatus) { last.Policy = "LEAST_REQUEST" }, "", "uneven/least_request a", "answer more slowly"},
		{"WEIGHTED_ROUND_ROBIN", 750, 250, func(_, last *admin.ServiceStatus) { last.Policy = "WEIGHTED_ROUND_ROBIN" }, "", "uneven/weights a", "load"},
		{"ORIGINAL_DESTINATION", 750, 250, func(_, last *admin.ServiceStatus) { last.Policy = "ORIGINAL_DESTINATION" }, "", "", ""},
		{"one client", 1000, 0, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Affinity, last.Keys = "MAGLEV", "CLIENT_IP", spread(1, 1)
		}, "uneven/few_sources a", "", "without affinity: a 50.0 %, b 50.0 %"},
		{"one value", 900, 100, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Affinity, last.Keys = "RING_HASH", "HEADER_FIELD", spread(1.3, 0.88)
		}, "uneven/skewed_keys a", "", "choose a header"},
		{"one connection", 1000, 0, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Keys = "MAGLEV", spread(1, 1)
		}, "uneven/few_connections a", "", "ROUND_ROBIN"},
		{"twenty equal keys", 650, 350, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Affinity, last.Keys = "MAGLEV", "HTTP_COOKIE", spread(20, 0.05)
		}, "", "uneven/affinity a", "so many keys may well"},
		{"a thousand equal keys", 800, 200, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Affinity, last.Keys = "MAGLEV", "HTTP_COOKIE", spread(1000, 0.01)
		}, "uneven/affinity a", "", "more than so many keys explain"},
		{"keys that nobody knows", 800, 200, func(_, last *admin.ServiceStatus) {
			last.Policy, last.Affinity = "MAGLEV", "HTTP_COOKIE"
		}, "uneven/affinity a", "", "not known"},
		{"strong sessions", 800, 200, func(_, last *admin.ServiceStatus) {
			last.Affinity = "STRONG_COOKIE_AFFINITY"
		}, "uneven/affinity a", "", "keeps clients where they are"},
		{"seven strong sessions", 570, 430, func(_, last *admin.ServiceStatus) {
			last.Affinity, last.Sources = "STRONG_COOKIE_AFFINITY", spread(7, 0.15)
		}, "", "uneven/affinity a", "7.0 equal ones may well be spread like this"},
		{"a thousand strong sessions", 800, 200, func(_, last *admin.ServiceStatus) {
			last.Affinity, last.Sources = "STRONG_COOKIE_AFFINITY", spread(1000, 0.01)
		}, "uneven/affinity a", "", "keeps clients where they are"},
		{"a weight of one beside 100", 17, 3, func(first, last *admin.ServiceStatus) {
			for _, s := range []*admin.ServiceStatus{first, last} {
				s.Policy = "RANDOM"
				s.Groups[0].Endpoints[0].ShareExpected, s.Groups[0].Endpoints[1].ShareExpected = 100./101, 1./101
			}
		}, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := web(well("a", 0.5, 0), well("b", 0.5, 0))
			last := web(well("a", 0.5, c.a), well("b", 0.5, c.b))
			if c.change != nil {
				c.change(&first, &last)
			}
			r := doctor.Judge(watched(first, last))
			if got := names(r.Findings); got != c.findings {
				t.Errorf("found %q, want %q", got, c.findings)
			}
			if got := names(r.Notes); got != c.notes {
				t.Errorf("noted %q, want %q", got, c.notes)
			}
			says(t, append(r.Findings, r.Notes...), c.saying)
		})
	}
}

func TestUnevenKnowsGroupsOfACapacityApart(t *testing.T) {
	service := func(a, b, c uint64) admin.ServiceStatus {
		s := web()
		full := &admin.GroupCapacity{BalancingMode: "RATE", Target: 10, CapacityScaler: 1, Capacity: 10, Usage: 5, Fullness: 0.5}
		s.Groups = []admin.GroupStatus{
			{Name: "near", GroupCapacity: full, Endpoints: []admin.EndpointStatus{well("a", 0.25, a), well("b", 0.25, b)}},
			{Name: "far", GroupCapacity: full, Endpoints: []admin.EndpointStatus{well("c", 0.5, c)}},
		}
		return s
	}
	// What comes to a group is for its capacity to say: only inside it shares count.
	if r := doctor.Judge(watched(service(0, 0, 0), service(50, 50, 900))); len(r.Findings) > 0 {
		t.Errorf("a group that gets less: %+v", r.Findings)
	}
	r := doctor.Judge(watched(service(0, 0, 0), service(90, 10, 900)))
	if got := names(r.Findings); got != "uneven/unexplained a" {
		t.Errorf("found %q", got)
	}
	says(t, r.Findings, "group near: ")
}

func TestUnevenAtMaxIsNotUnexplained(t *testing.T) {
	cfg, err := config.Parse("a.toml", []byte("[[listener]]\nlisten = \":80\"\nservice = \"web\"\n[[service]]\nname = \"web\"\nendpoints = [{ address = \"a:80\", id = \"a\", max = 3 }, { address = \"b:80\", id = \"b\" }]\n"))
	if err != nil {
		t.Fatal(err)
	}
	busy := well("a", 0.5, 100)
	busy.Active = 3
	f := watched(web(well("a", 0.5, 0), well("b", 0.5, 0)), web(busy, well("b", 0.5, 900)))
	f.File = cfg
	r := doctor.Judge(f)
	if names(r.Findings) != "" || names(r.Notes) != "uneven/full b" && names(r.Notes) != "uneven/full a" {
		t.Errorf("found %q, noted %q", names(r.Findings), names(r.Notes))
	}
}

func TestNoReadingMeansNothing(t *testing.T) {
	if r := doctor.Judge(new(doctor.Facts)); r.Findings == nil || r.Notes == nil || len(r.Findings)+len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}
