package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

// policed is a service with capacity whose groups are in two regions.
func policed(proxy, policy string) string {
	return fmt.Sprintf(`[proxy]
%s
[[group]]
name = "near"
region = "eu"
zone = "eu-a"
endpoints = ["10.0.0.1:80"]
[[group]]
name = "far"
region = "us"
zone = "us-a"
endpoints = ["10.0.0.2:80"]
[[listener]]
listen = ":1"
service = "s"
[[service]]
name = "s"
health_check = {}
service_lb_policy = { %s }
[[service.backend]]
group = "near"
balancing_mode = "RATE"
max_rate = 10
[[service.backend]]
group = "far"
balancing_mode = "RATE"
max_rate = 10
`, proxy, policy)
}

func TestServicePolicyIsReadInWholeAndInAnyCase(t *testing.T) {
	c := wantLoads(t, policed(`region = "eu"`, `load_balancing_algorithm = "spray_to_world", auto_capacity_drain = true, `+
		`failover_health_threshold = 99, isolation_config = { isolation_granularity = "region", isolation_mode = "strict" }`))
	p := c.Services[0].ServiceLBPolicy
	isolation := *p.IsolationConfig
	wantWarnings(t, c, `load_balancing_algorithm = "SPRAY_TO_WORLD" a region at a time`)
	rest := *p
	rest.IsolationConfig = nil
	if want := (config.ServiceLBPolicy{LoadBalancingAlgorithm: "SPRAY_TO_WORLD", AutoCapacityDrain: true, FailoverHealthThreshold: 99}); rest != want {
		t.Errorf("got %+v", rest)
	}
	if want := (config.IsolationConfig{IsolationGranularity: "REGION", IsolationMode: "STRICT"}); isolation != want {
		t.Errorf("got %+v", isolation)
	}
	checkRoundTrip(t, c)
	for _, word := range []string{"WATERFALL_BY_REGION", "SPRAY_TO_REGION", "WATERFALL_BY_ZONE", "SPRAY_TO_WORLD"} {
		wantLoads(t, policed("", fmt.Sprintf("load_balancing_algorithm = %q", word)))
	}
	wantProblem(t, policed("", `load_balancing_algorithm = "WATERFALL"`), "service_lb_policy", "load_balancing_algorithm", "is not one of WATERFALL_BY_REGION, SPRAY_TO_REGION")
}

// spec.md §3.5.
func TestFailoverHealthThresholdIsFrom1To99(t *testing.T) {
	for _, n := range []int{1, 50, 70, 99} {
		wantLoads(t, policed("", fmt.Sprintf("failover_health_threshold = %d", n)))
	}
	for _, n := range []int{-1, 0, 100} {
		wantProblem(t, policed("", fmt.Sprintf("failover_health_threshold = %d", n)), "service_lb_policy",
			"service.service_lb_policy.failover_health_threshold", "is not from 1 to 99")
	}
}

// The table of spec.md §3.7, as far as it is the file's.
func TestIsolationIsWhatItsTableSays(t *testing.T) {
	const here = `region = "eu"`
	for _, row := range []struct {
		name, proxy, isolation string
		mode                   string // as it is loaded
		warning, problem       string
	}{
		{name: "granularity unset", proxy: here},
		{name: "granularity unset, mode NEAREST", proxy: here, isolation: `isolation_mode = "NEAREST"`, mode: "NEAREST", warning: "has no effect without isolation_granularity"},
		{name: "granularity unset, mode STRICT", isolation: `isolation_mode = "STRICT"`, mode: "STRICT", warning: "has no effect without isolation_granularity"},
		{name: "NEAREST by default", proxy: here, isolation: `isolation_granularity = "REGION"`, mode: "NEAREST"},
		{name: "NEAREST", proxy: here, isolation: `isolation_granularity = "REGION", isolation_mode = "NEAREST"`, mode: "NEAREST"},
		{name: "NEAREST, none configured nearby", proxy: `region = "asia"`, isolation: `isolation_granularity = "REGION"`, mode: "NEAREST"},
		{name: "STRICT", proxy: here, isolation: `isolation_granularity = "REGION", isolation_mode = "STRICT"`, mode: "STRICT"},
		{name: "STRICT, none configured nearby", proxy: `region = "asia"`, isolation: `isolation_granularity = "REGION", isolation_mode = "STRICT"`, mode: "STRICT", warning: `no backend is in the region "asia"`},
		{name: "without the proxy's region", isolation: `isolation_granularity = "REGION"`, problem: "isolation_granularity: needs to know where this proxy is"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := policed(row.proxy, "isolation_config = { "+row.isolation+" }")
			if row.problem != "" {
				wantProblem(t, text, "service_lb_policy", row.problem)
				return
			}
			c := wantLoads(t, text)
			if got := c.Services[0].ServiceLBPolicy.IsolationConfig.IsolationMode; got != row.mode {
				t.Errorf("mode %q, want %q", got, row.mode)
			}
			wantWarnings(t, c, row.warning)
			checkRoundTrip(t, c)
		})
	}
	wantProblem(t, policed(here, `isolation_config = { isolation_granularity = "ZONE" }`), "service_lb_policy", `"ZONE" is not one of REGION`)
}

// wantWarnings checks the one warning that a file has, or that it has none.
func wantWarnings(t *testing.T, c *config.Config, want string) {
	t.Helper()
	switch {
	case want == "" && len(c.Warnings) > 0, want != "" && len(c.Warnings) != 1:
		t.Errorf("warnings %v, want %q", c.Warnings, want)
	case want != "" && !strings.Contains(c.Warnings[0].Error(), want):
		t.Errorf("warning %v, want %q", c.Warnings[0], want)
	}
}

func TestServicePolicyNeedsABalancingMode(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP without a mode": fileOf("HTTP", false),
		"UDP with a mode":     fileOf("UDP", false, `balancing_mode = "CONNECTION"`),
	} {
		text = strings.Replace(text, "health_check", "service_lb_policy = {}\nhealth_check", 1)
		t.Run(name, func(t *testing.T) {
			wantProblem(t, text, "service_lb_policy", "service.service_lb_policy: only has a meaning with a backend that has a balancing_mode")
		})
	}
	text := strings.Replace(smallest, "endpoints", "service_lb_policy = {}\nendpoints", 1)
	wantProblem(t, text, "service_lb_policy", "balancing_mode")
}

func TestWithoutChecksHealthChangesNothing(t *testing.T) {
	for policy, want := range map[string]string{
		"auto_capacity_drain = true":     "auto_capacity_drain: warning: without a health_check",
		"failover_health_threshold = 70": "",
		"failover_health_threshold = 71": "failover_health_threshold: warning: without a health_check",
		"auto_capacity_drain = false":    "",
	} {
		text := policed("", policy)
		wantWarnings(t, wantLoads(t, text), "")
		wantWarnings(t, wantLoads(t, strings.Replace(text, "health_check = {}", "", 1)), want)
	}
}

func TestZonesSayHowFarTheyAre(t *testing.T) {
	c := wantLoads(t, policed("", "")+`
[[zone]]
name = "eu-a"
rtt = "250us"
[[zone]]
name = "us-a"
region = "us"
`)
	if z := c.Zones; len(z) != 2 || time.Duration(*z[0].RTT) != 250*time.Microsecond || z[1].RTT != nil || z[1].Region != "us" {
		t.Errorf("got %+v", z)
	}
	wantWarnings(t, c, "")
	checkRoundTrip(t, c)

	for _, tc := range []struct{ zones, start, want string }{
		{"[[zone]] #\nrtt = '1ms'", "[[zone]] #", "zone.name: is required"},
		{"[[zone]]\n 'name' = 'eu a'", " 'name'", "zone.name: "},
		{"[[zone]]\nname = 'eu-a'\n[[zone]]\n 'name' = 'eu-a'", " 'name'", `"eu-a" is there already on line 29`},
		{"[[zone]]\nname = 'x'\nregion = 'r'\n[[zone]]\n 'name' = 'x'\nregion = 'r'", " 'name'", `"x" in the region "r" is there already on line 29`},
		{"[[zone]]\nname = 'eu-a'\nrtt = '-1ms'", "rtt", "must not be negative"},
		{"[[zone]]\nname = 'eu-a'\nrtt = 1", "rtt", "must have a unit"},
	} {
		wantProblem(t, policed("", "")+tc.zones, tc.start, tc.want)
	}
	wantWarnings(t, wantLoads(t, policed("", "")+"[[zone]]\nname = 'eu-b'"), `zone.name: warning: no group is in "eu-b"`)
	wantWarnings(t, wantLoads(t, policed("", "")+"[[zone]]\nname = 'eu-a'\nregion = 'us'"), `no group is in "eu-a" of the region "us"`)
	wantWarnings(t, wantLoads(t, fileOf("HTTP", false)+"[[zone]]\nname = 'a'"), "no service has a backend with a balancing_mode")
	// Zones of one name in two regions are two.
	wantLoads(t, policed("", "")+"[[zone]]\nname = 'us-a'\nregion = 'us'\n[[zone]]\nname = 'us-a'")
}

func TestEndpointsMayBeInZonesOfTheirOwn(t *testing.T) {
	c := wantLoads(t, fileOf("HTTP", true))
	g := &c.Groups[0]
	if !g.IsRegional() || g.ZoneOf(&g.Endpoints[0]) != "a" || g.ZoneOf(&g.Endpoints[1]) != "b" {
		t.Errorf("got %+v", g)
	}
	var zones []string
	for _, e := range c.Endpoints(&c.Services[0]) {
		zones = append(zones, e.Zone)
	}
	if !slices.Equal(zones, []string{"a", "b"}) {
		t.Errorf("got zones %q", zones)
	}
	checkRoundTrip(t, c)
	if g := wantLoads(t, fileOf("HTTP", false)).Groups[0]; g.IsRegional() {
		t.Error("a group of one zone is several")
	}
	wantProblem(t, strings.Replace(fileOf("HTTP", true), "zone = \"a\"\n", "\n", 1), "endpoints", "group.endpoints: needs a zone", `"g"`)
	wantProblem(t, strings.Replace(fileOf("HTTP", true), `zone = "b"`, `zone = "b c"`, 1), "endpoints", "group.endpoints.zone")
	wantProblem(t, strings.Replace(smallest, `"10.0.0.2:80"`, `{ address = "10.0.0.2:80", zone = "b" }`, 1), "endpoints",
		"service.endpoints.zone: only has a meaning with the endpoints of a [[group]]")
}

func TestZonalAffinityKnowsTheZonesOfEndpoints(t *testing.T) {
	for zone, want := range map[string]string{"a": "", "b": "", "c": `no backend is in the zone "c"`} {
		text := strings.Replace(fileOf("TCP", true), "health_check", stay+"\nhealth_check", 1)
		wantWarnings(t, wantLoads(t, text+fmt.Sprintf("[proxy]\nzone = %q\n", zone)), want)
	}
}

func TestAZoneIsInTheRegionThatSomebodySaysItIsIn(t *testing.T) {
	const groups = `
[[group]]
name = "here"
zone = "a"
endpoints = ["10.0.0.1:80"]
[[group]]
name = "there"
zone = "b"
endpoints = ["10.0.0.2:80"]
[[group]]
name = "twice"
zone = "c"
endpoints = ["10.0.0.3:80"]
[[group]]
name = "nowhere"
endpoints = ["10.0.0.4:80"]
`
	regions := func(text string) []string {
		c := wantLoads(t, smallest+groups+text)
		checkRoundTrip(t, c)
		all := []string{c.Proxy.Region}
		for _, g := range c.Groups {
			all = append(all, g.Region)
		}
		return all
	}
	for text, want := range map[string][]string{
		"": {"", "", "", "", ""},
		"[proxy]\nzone = 'a'\nregion = 'eu'\n[[zone]]\nname = 'b'\nregion = 'us'\n[[zone]]\nname = 'c'\nregion = 'us'\n[[zone]]\nname = 'c'\nregion = 'eu'\n": {"eu", "eu", "us", "", ""},
		"[proxy]\nzone = 'b'\n[[zone]]\nname = 'b'\nregion = 'us'\n":                                                                                          {"us", "", "us", "", ""},
		"[proxy]\nzone = 'a'\n[[group]]\nname = 'x'\nregion = 'eu'\nendpoints = [{ address = '10.0.0.5:80', zone = 'a' }]\n":                                  {"eu", "eu", "", "", "", "eu"},
		"[proxy]\nregion = 'eu'\n": {"eu", "", "", "", ""},
	} {
		if got := regions(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
