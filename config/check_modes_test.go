package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// modeLines are a backend's keys for each mode, and the protocol that has it.
var modeLines = map[string][2]string{
	"RATE":           {"HTTP", "max_rate = 10"},
	"CONNECTION":     {"TCP", "max_connections = 10"},
	"IN_FLIGHT":      {"HTTP", "max_in_flight_requests = 10"},
	"UTILIZATION":    {"HTTP", ""},
	"CUSTOM_METRICS": {"HTTP", `custom_metrics = [{ name = "orca.cpu_utilization" }]`},
}

// sharing is a group that two services use, of which each has a mode.
func sharing(a, b string) string {
	service := func(name, port, mode string) string {
		protocol, keys := modeLines[mode][0], modeLines[mode][1]
		return fmt.Sprintf(`[[listener]]
listen = ":%s"
protocol = "%s"
service = "%s"
[[service]]
name = "%s"
[[service.backend]] # of %s
group = "shared"
balancing_mode = "%s" # of %s
%s
`, port, protocol, name, name, name, mode, name, keys)
	}
	return "[[group]]\nname = \"shared\"\nendpoints = [\"10.0.0.1:80\"]\n" + service("first", "1", a) + service("second", "2", b)
}

// The matrix of spec.md §2.7.
func TestServicesShareAGroupAsTheMatrixSays(t *testing.T) {
	columns := []string{"RATE", "CONNECTION", "IN_FLIGHT", "UTILIZATION", "CUSTOM_METRICS"}
	for row, cells := range map[string]string{
		"RATE":           "yes yes yes no  no ",
		"CONNECTION":     "yes yes yes no  no ",
		"IN_FLIGHT":      "yes yes yes no  no ",
		"UTILIZATION":    "no  no  no  yes no ",
		"CUSTOM_METRICS": "no  no  no  no  yes",
	} {
		for i, cell := range strings.Fields(cells) {
			column := columns[i]
			t.Run(row+" and "+column, func(t *testing.T) {
				text := sharing(row, column)
				if cell == "yes" {
					wantLoads(t, text)
					return
				}
				wantProblem(t, text, fmt.Sprintf("balancing_mode = %q # of second", column),
					"service.backend.balancing_mode: "+column+` of the service "second"`, `group "shared"`, row+` of the service "first" on line `)
			})
		}
	}
	t.Run("corollary: never behind a passthrough LB", func(t *testing.T) {
		text := strings.NewReplacer(`protocol = "TCP"`, `protocol = "UDP"`, "max_connections = 10\n", "")
		for _, mode := range []string{"UTILIZATION", "CUSTOM_METRICS"} {
			udp := text.Replace(sharing(mode, "CONNECTION"))
			wantProblem(t, udp, `balancing_mode = "CONNECTION"`, `"first"`, `"second"`)
			udp = strings.Replace(udp, `balancing_mode = "CONNECTION" # of second`, "failover = false", 1)
			wantProblem(t, udp, "[[service.backend]] # of second", `"first"`, `"second"`, `balancing_mode: CONNECTION of the service "second"`)
		}
	})
	t.Run("a service without modes", func(t *testing.T) {
		text := sharing("UTILIZATION", "RATE")
		text = strings.Replace(text, "balancing_mode = \"RATE\" # of second\nmax_rate = 10\n", "", 1)
		wantLoads(t, text)
	})
}

// beside is a service of two groups with these keys.
func beside(protocol, a, b string) string {
	return fmt.Sprintf(`[[group]]
name = "a"
endpoints = ["10.0.0.1:80"]
[[group]]
name = "b"
endpoints = ["10.0.0.2:80"]
[[listener]]
listen = ":1"
protocol = "%s"
service = "s"
[[service]]
name = "s"
[[service.backend]]
group = "a"
%s
[[service.backend]] # second
group = "b"
%s
`, protocol, a, b) + reportsFor(protocol, a, b)
}

func TestModesOfAServiceAreInOneUnit(t *testing.T) {
	keys := func(protocol, mode string) string {
		key := modeLines[mode][1]
		if mode == "UTILIZATION" {
			key = "max_utilization = 0.5"
		}
		return fmt.Sprintf("balancing_mode = %q\n%s", mode, key)
	}
	rates := []string{"RATE", "UTILIZATION", "CUSTOM_METRICS"}
	for protocol, modes := range map[string][]string{"HTTP": append(rates, "IN_FLIGHT"), "TCP": {"CONNECTION", "UTILIZATION"}} {
		for _, a := range modes {
			for _, b := range modes {
				t.Run(protocol+" "+a+" and "+b, func(t *testing.T) {
					text := beside(protocol, keys(protocol, a), strings.Replace(keys(protocol, b), "balancing_mode", "'balancing_mode'", 1))
					if a == b || slices.Contains(rates, a) && slices.Contains(rates, b) {
						wantLoads(t, text)
						return
					}
					wantProblem(t, text, "'balancing_mode'", "service.backend.balancing_mode: "+b+" cannot be compared",
						fmt.Sprintf(`balancing_mode = %q of the backend "a" on line 15`, a))
				})
			}
		}
	}
}

func TestAllBackendsHaveAModeOrNoneHas(t *testing.T) {
	with := "balancing_mode = \"RATE\"\nmax_rate = 1"
	wantLoads(t, beside("HTTP", "", ""))
	wantLoads(t, beside("HTTP", with, with))
	wantProblem(t, beside("HTTP", with, ""), "[[service.backend]] # second", "service.backend.balancing_mode: is required", `"a"`, "on line 15")
	text := strings.Replace(beside("HTTP", "", with), "[[service.backend]]\n", "[[service.backend]] # first\n", 1)
	wantProblem(t, text, "[[service.backend]] # first", "service.backend.balancing_mode: is required", `"b"`, "on line 18")
}

func TestAScalerIs0OrFromATenthTo1(t *testing.T) {
	file := func(a, b string) string {
		keys := "balancing_mode = \"RATE\"\nmax_rate = 80\n"
		return strings.Replace(beside("HTTP", keys+a, keys+strings.Replace(b, "capacity_scaler", "'capacity_scaler'", 1)), "name = \"s\"\n", "name = \"s\"\nhealth_check = {}\n", 1)
	}
	for _, x := range []string{"0", "0.0", "-0.0", "0.1", "0.5", "1", "1.0"} {
		c := wantLoads(t, file("capacity_scaler = "+x, ""))
		checkRoundTrip(t, c)
	}
	for _, x := range []string{"0.05", "0.0999", "1.01", "2", "-1", "-0.1", "nan", "inf", "1e-300"} {
		wantProblem(t, file("capacity_scaler = "+x, ""), "capacity_scaler", "service.backend.capacity_scaler", "is neither 0 nor from 0.1 to 1")
	}
	wantProblem(t, file("capacity_scaler = 0", "capacity_scaler = 0"), "'capacity_scaler'", "is 0 for every backend")
	wantProblem(t, fileOf("HTTP", false, `balancing_mode = "RATE"`, "max_rate = 1", "capacity_scaler = 0"), "capacity_scaler",
		"service.backend.capacity_scaler: 0 drains the only backend")
	wantLoads(t, file("capacity_scaler = 0", "failover = true")) // a failover
	wantLoads(t, file("", "failover = true\ncapacity_scaler = 0"))
	wantLoads(t, file("capacity_scaler = 0.5", "failover = true\ncapacity_scaler = 0.5"))
	for _, line := range []string{"capacity_scaler = 1", `preference = "PREFERRED"`, "max_rate = 1", "max_utilization = 0.5"} {
		key, _, _ := strings.Cut(line, " ")
		wantProblem(t, fileOf("HTTP", false, line), key, "service.backend."+key+": only has a meaning with a balancing_mode")
	}
}

// spec.md §2.6.
func TestMetricsHaveNamesThatThereAre(t *testing.T) {
	file := func(metrics string) string {
		return fileOf("HTTP", false, `balancing_mode = "CUSTOM_METRICS"`, "custom_metrics = ["+metrics+"]")
	}
	long := "orca.named_metrics." + strings.Repeat("x", 45)
	for _, name := range []string{
		"orca.cpu_utilization", "orca.mem_utilization", "orca.application_utilization",
		"orca.named_metrics.g", "orca.named_metrics.gpu-0.mem_used", "orca.named_metrics.9", long,
	} {
		wantLoads(t, file(fmt.Sprintf("{ name = %q }", name)))
	}
	for _, name := range []string{
		"gpu", "orca.cpu", "orca.named_metrics.", "orca.named_metrics", "orca.named_metrics.GPU", "orca.named_metrics.a b",
		"orca.named_metrics.a-", "orca.named_metrics.a.", "orca.named_metrics.ä", "cpu_utilization", long + "x",
	} {
		wantProblem(t, file(fmt.Sprintf("{ name = %q }", name)), "custom_metrics", "service.backend.custom_metrics.name", "is none of orca.cpu_utilization")
	}
	wantProblem(t, file("{ dry_run = true }, { name = 'orca.cpu_utilization' }"), "custom_metrics", "custom_metrics.name: is required")
	wantProblem(t, file("{ name = 'orca.cpu_utilization' }, { name = 'orca.cpu_utilization', dry_run = true }"), "custom_metrics", "is there already on line 16")
	wantProblem(t, file("{ name = 'orca.cpu_utilization', dry_run = true }"), "custom_metrics", "at least one must count")
	wantLoads(t, file("{ name = 'orca.cpu_utilization', dry_run = true }, { name = 'orca.mem_utilization' }"))
	for _, empty := range []string{"", "custom_metrics = []", "max_rate = 5"} {
		wantProblem(t, fileOf("HTTP", false, `balancing_mode = "CUSTOM_METRICS"`, empty), "balancing_mode", "CUSTOM_METRICS needs custom_metrics")
	}
}

func TestUtilizationWithAffinityIsAWarning(t *testing.T) {
	text := strings.Replace(fileOf("HTTP", false, `balancing_mode = "UTILIZATION"`), "health_check", "session_affinity = \"CLIENT_IP\"\nhealth_check", 1)
	c := wantLoads(t, text)
	if len(c.Warnings) != 1 || c.Warnings[0].Line != 16 || c.Warnings[0].Key != "service.backend.balancing_mode" ||
		!strings.Contains(c.Warnings[0].Message, `session_affinity = "CLIENT_IP" on line 12`) {
		t.Errorf("got %v", c.Warnings)
	}
	for _, quiet := range []string{
		strings.Replace(text, "CLIENT_IP", "NONE", 1),
		strings.Replace(text, `"UTILIZATION"`, "\"RATE\"\nmax_rate = 1", 1),
	} {
		if c := wantLoads(t, quiet); len(c.Warnings) != 0 {
			t.Errorf("got %v", c.Warnings)
		}
	}
}

func TestWhereTheClientHasChosenThereIsNoMode(t *testing.T) {
	text := strings.Replace(fileOf("TCP", false, `balancing_mode = "CONNECTION"`, "max_connections = 5"),
		"health_check", "locality_lb_policy = \"ORIGINAL_DESTINATION\"\nhealth_check", 1)
	wantProblem(t, text, "balancing_mode", "service.backend.balancing_mode: has no meaning", `locality_lb_policy = "ORIGINAL_DESTINATION" on line 12`)
}

// spec.md §2.6: those of the service choose an endpoint, those of a backend a group.
func TestMetricsOfAServiceBelongToWeightedRoundRobin(t *testing.T) {
	file := func(policy, metrics string) string {
		return strings.Replace(smallest, "endpoints", fmt.Sprintf("locality_lb_policy = %q\ncustom_metrics = [%s]\nendpoints", policy, metrics), 1)
	}
	const one = "{ name = 'orca.named_metrics.queue' }"
	checkRoundTrip(t, wantLoads(t, file("WEIGHTED_ROUND_ROBIN", one)))
	wantLoads(t, file("WEIGHTED_ROUND_ROBIN", one+", { name = 'orca.cpu_utilization', dry_run = true }"))
	wantLoads(t, file("ROUND_ROBIN", ""))
	for _, policy := range []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "MAGLEV", "RING_HASH"} {
		wantProblem(t, file(policy, one), "custom_metrics", `service.custom_metrics: only has a meaning with locality_lb_policy = "WEIGHTED_ROUND_ROBIN"`)
	}
	for metrics, want := range map[string]string{
		"{ name = 'queue' }":  "service.custom_metrics.name: \"queue\" is none of",
		"{ dry_run = false }": "service.custom_metrics.name: is required",
		one + ", " + one:      "is there already",
		"{ name = 'orca.cpu_utilization', dry_run = true }":        "at least one must count",
		"{ name = 'orca.cpu_utilization', max_utilization = 0.5 }": "max_utilization: unknown key here; it belongs in [[service.backend]] or [[service.backend.custom_metrics]]",
	} {
		wantProblem(t, file("WEIGHTED_ROUND_ROBIN", metrics), "custom_metrics", want)
	}
}
