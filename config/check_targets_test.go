package config_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

func TestUDPTakesNeitherScalerNorPreference(t *testing.T) {
	for _, line := range []string{"capacity_scaler = 1", "capacity_scaler = 0", `preference = "DEFAULT"`} {
		key, _, _ := strings.Cut(line, " ")
		wantProblem(t, fileOf("UDP", false, `balancing_mode = "connection"`, line), key, "service.backend."+key, `"UDP"`, `balancing_mode = "CONNECTION"`)
	}
	if c := wantLoads(t, fileOf("UDP", false, `balancing_mode = "connection"`)); c.Services[0].HasCapacity() || c.Services[0].ServiceLBPolicy != nil {
		t.Error("a symbol became a capacity")
	}
}

func TestAModeIsReadInAnyCaseAndGetsItsDefaults(t *testing.T) {
	c := wantLoads(t, fileOf("HTTP", false, `balancing_mode = "utilization"`))
	b := c.Services[0].Backends[0]
	if b.BalancingMode != "UTILIZATION" || *b.MaxUtilization != 0.8 || *b.CapacityScaler != 1 || b.Preference != "DEFAULT" {
		t.Errorf("got %+v", b)
	}
	want := config.ServiceLBPolicy{LoadBalancingAlgorithm: "WATERFALL_BY_REGION", FailoverHealthThreshold: 70}
	if p := c.Services[0].ServiceLBPolicy; p == nil || *p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	checkRoundTrip(t, c)

	c = wantLoads(t, fileOf("HTTP", false, `balancing_mode = "UTILIZATION"`, "max_rate = 5"))
	if b := c.Services[0].Backends[0]; b.MaxUtilization != nil {
		t.Errorf("beside another target: %+v", b)
	}
	c = wantLoads(t, fileOf("HTTP", false, `balancing_mode = "CUSTOM_METRICS"`, `custom_metrics = [{ name = "orca.cpu_utilization" }]`))
	if m := c.Services[0].Backends[0].CustomMetrics[0]; m.MaxUtilization != 0.8 || m.DryRun {
		t.Errorf("got %+v", m)
	}
	c = wantLoads(t, fileOf("HTTP", false))
	if b := c.Services[0].Backends[0]; b.CapacityScaler != nil || b.Preference != "" || c.Services[0].ServiceLBPolicy != nil {
		t.Errorf("without a mode: %+v", b)
	}
}

func TestTargetsAreNumbersAbove0(t *testing.T) {
	for _, c := range []struct{ mode, line, want string }{
		{"RATE", "max_rate = 0", "above 0"},
		{"RATE", "max_rate = -1", "-1 is not above 0 and at most 2147483647"},
		{"RATE", "max_rate = nan", "NaN is not above 0"},
		{"RATE", "max_rate = inf", "+Inf is not above 0"},
		{"RATE", "max_rate = 1e300", "1e+300 is not above 0"},
		{"RATE", `max_rate = "10"`, "must be a number"},
		{"RATE", "max_rate_per_instance = 0.0", "above 0"},
		{"IN_FLIGHT", "max_in_flight_requests = 0", "above 0"},
		{"IN_FLIGHT", "max_in_flight_requests_per_endpoint = -3", "-3 is not above 0"},
		{"IN_FLIGHT", "max_in_flight_requests_per_instance = 1.5", "must be an integer"},
		{"IN_FLIGHT", "max_in_flight_requests = 2147483648", "is not above 0 and at most 2147483647"},
		{"UTILIZATION", "max_utilization = -0.01", "-0.01 is not from 0 to 1"},
		{"UTILIZATION", "max_utilization = 1.01", "1.01 is not from 0 to 1"},
		{"UTILIZATION", "max_utilization = nan", "NaN is not from 0 to 1"},
		{"CUSTOM_METRICS", `custom_metrics = [{ name = "orca.cpu_utilization", max_utilization = -0.1 }]`, "-0.1 is not from 0 to 1"},
	} {
		key, _, _ := strings.Cut(c.line, " ")
		wantProblem(t, fileOf("HTTP", false, fmt.Sprintf("balancing_mode = %q", c.mode), c.line), key, "service.backend."+key, c.want)
	}
	for _, line := range []string{"max_rate = 0.001", "max_rate_per_instance = 2147483647", "max_rate = 1"} {
		wantLoads(t, fileOf("HTTP", false, `balancing_mode = "RATE"`, line))
	}
}

// A maximum of 0 is what it says, and not the default.
func TestAMaximumOf0IsAWarning(t *testing.T) {
	const warning = "the group is always full"
	c := wantLoads(t, fileOf("HTTP", false, `balancing_mode = "UTILIZATION"`, "max_utilization = 0.0"))
	if most := c.Services[0].Backends[0].MaxUtilization; most == nil || *most != 0 {
		t.Errorf("got %v", most)
	}
	wantWarnings(t, c, warning)
	checkRoundTrip(t, c)

	metric := `{ name = "orca.cpu_utilization", max_utilization = 0, dry_run = %v }, { name = "orca.mem_utilization", max_utilization = 1 }`
	for dry, want := range map[bool]string{false: warning, true: ""} {
		c := wantLoads(t, fileOf("HTTP", false, `balancing_mode = "CUSTOM_METRICS"`, "custom_metrics = ["+fmt.Sprintf(metric, dry)+"]"))
		wantWarnings(t, c, want)
		checkRoundTrip(t, c)
	}
}

func TestAnAliasIsItsOriginal(t *testing.T) {
	for _, c := range []struct{ protocol, mode, key string }{
		{"HTTP", "RATE", "max_rate_per_"}, {"TCP", "CONNECTION", "max_connections_per_"}, {"HTTP", "IN_FLIGHT", "max_in_flight_requests_per_"},
	} {
		mode := fmt.Sprintf("balancing_mode = %q", c.mode)
		instance, endpoint := c.key+"instance", c.key+"endpoint"
		a := wantLoads(t, fileOf(c.protocol, false, mode, instance+" = 7")).Services[0].Backends[0]
		b := wantLoads(t, fileOf(c.protocol, false, mode, endpoint+" = 7")).Services[0].Backends[0]
		if fmt.Sprint(a.MaxRatePerEndpoint, a.MaxConnectionsPerEndpoint, a.MaxInFlightRequestsPerEndpoint) !=
			fmt.Sprint(b.MaxRatePerEndpoint, b.MaxConnectionsPerEndpoint, b.MaxInFlightRequestsPerEndpoint) {
			t.Errorf("%s: got %+v and %+v", c.mode, a, b)
		}
		wantProblem(t, fileOf(c.protocol, false, mode, endpoint+" = 7", instance+" = 7"), instance, instance, endpoint, "on line 16")
	}
}

// testdata/capacity.printed is what "spillway check --print" shows.
func TestPrintShowsTheDefaultsOfEveryMode(t *testing.T) {
	c, err := config.Load("testdata/capacity.toml")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, c, "")
	var got bytes.Buffer
	if err := c.Print(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/capacity.printed"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
	checkRoundTrip(t, c)
}
