package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

// pools is a TCP service of two groups; %s is for [proxy], and what follows is of
// the service or of its second backend.
const pools = `
[proxy]
%s
[[group]]
name = "a"
region = "eu"
zone = "a"
endpoints = ["10.0.0.1:80"]
[[group]]
name = "b"
zone = "b"
endpoints = ["10.0.0.2:80"]
[[listener]]
listen = ":1"
protocol = "TCP"
service = "db"
[[service]]
name = "db"
%s
health_check = {}
[[service.backend]]
group = "a"
[[service.backend]]
group = "b"
%s
`

const (
	stay  = `network_pass_through_lb_traffic_policy.zonal_affinity.spillover = "ZONAL_AFFINITY_STAY_WITHIN_ZONE"`
	spill = `network_pass_through_lb_traffic_policy.zonal_affinity = { spillover = "zonal_affinity_spill_cross_zone", spillover_ratio = 1 }`
)

func TestWhatLooksLikeASlipInFailoverIsAWarning(t *testing.T) {
	for _, tc := range []struct{ proxy, service, backend, want string }{
		{"", "", "", ""},
		{"", "", "failover = true", ""},
		{"", "failover_policy = {}", "", ""},
		{"", "failover_policy.failover_ratio = 0.5", "", "nobody to fail over to"},
		{"", "failover_policy.failover_ratio = 1", "failover = true", ""},
		{`zone = "a"`, stay, "", ""},
		{`zone = "b"`, spill, "", ""},
		{`zone = "c"`, spill, "", `no backend is in the zone "c"`},
		{"zone = 'a'\nregion = 'eu'", stay, "", ""},
		{"zone = 'a'\nregion = 'us'", stay, "", `no backend is in the zone "a"`},
		{"zone = 'b'\nregion = 'us'", stay, "", ""}, // the group says no region
		{"", `network_pass_through_lb_traffic_policy.zonal_affinity = {}`, "", ""},
		{"", `network_pass_through_lb_traffic_policy = {}`, "", ""},
	} {
		c := parse(t, fmt.Sprintf(pools, tc.proxy, tc.service, tc.backend))
		var got []string
		for _, w := range c.Warnings {
			got = append(got, w.Error())
		}
		if text := strings.Join(got, "\n"); tc.want == "" && text != "" || !strings.Contains(text, tc.want) || len(got) > 1 {
			t.Errorf("%q, %q: warnings %q, want %q", tc.service, tc.backend, got, tc.want)
		}
		checkRoundTrip(t, c)
	}
}

func TestAFailoverPolicyLeavesNothingToPanic(t *testing.T) {
	c := parse(t, fmt.Sprintf(pools, "", "failover_policy = {}", "failover = true"))
	if s := c.Services[0]; s.Panic != "" || *s.FailoverPolicy != (config.FailoverPolicy{}) || !s.Backends[1].Failover {
		t.Errorf("got %+v", s)
	}
	c = parse(t, fmt.Sprintf(pools, "", "", "failover = true"))
	if s := c.Services[0]; s.Panic != "open" || s.FailoverPolicy != nil {
		t.Errorf("without a policy: %+v", s)
	}
}

func TestRatiosAreNumbersFrom0To1(t *testing.T) {
	for _, ratio := range []string{"-0.01", "1.01", "2", "-1", "nan", "inf", "-inf", "1e300"} {
		refused(t, fmt.Sprintf(pools, "", "failover_policy.failover_ratio = "+ratio, "failover = true"), "is not from 0 to 1")
	}
	for _, ratio := range []string{"0", "0.0", "-0.0", "1e-3", "0.999", "1", "1.0"} {
		parse(t, fmt.Sprintf(pools, "", "failover_policy.failover_ratio = "+ratio, "failover = true"))
	}
}
