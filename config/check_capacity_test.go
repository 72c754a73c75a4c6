package config_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

// load writes a file and loads it.
func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spillway.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path)
}

// lineOf returns the number of the only line of text that begins with start.
func lineOf(t *testing.T, text, start string) int {
	t.Helper()
	found := 0
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, start) {
			if found != 0 {
				t.Fatalf("%q begins lines %d and %d", start, found, i+1)
			}
			found = i + 1
		}
	}
	if found == 0 {
		t.Fatalf("nothing begins with %q:\n%s", start, text)
	}
	return found
}

// wantProblem checks that a file has one problem, in the line that begins with
// start, and that its message, key included, holds all of want.
func wantProblem(t *testing.T, text, start string, want ...string) {
	t.Helper()
	_, err := load(t, text)
	problems := config.Problems(err)
	if len(problems) != 1 {
		t.Fatalf("%d problems, want one in the line of %q: %v\n%s", len(problems), start, err, text)
	}
	p := problems[0]
	if line := lineOf(t, text, start); p.Line != line {
		t.Errorf("line %d, want %d (%q): %v", p.Line, line, start, err)
	}
	for _, part := range want {
		if said := p.Key + ": " + p.Message; !strings.Contains(said, part) {
			t.Errorf("%q does not say %q", said, part)
		}
	}
}

func wantLoads(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := load(t, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// fileOf is a service with one backend, whose keys below group are given.
func fileOf(protocol string, regional bool, backend ...string) string {
	second := `"10.0.0.2:80"`
	if regional {
		second = `{ address = "10.0.0.2:80", zone = "b" }`
	}
	listens := map[string]string{"HTTPS": "HTTP", "SSL": "TCP"}[protocol] // without certificates
	if listens == "" {
		listens = protocol
	}
	return fmt.Sprintf(`[[group]]
name = "g"
zone = "a"
endpoints = ["10.0.0.1:80", %s]
[[listener]]
listen = ":1"
protocol = "%s"
service = "s"
[[service]]
name = "s"
protocol = "%s"
health_check = { type = "TCP" }
[[service.backend]]
group = "g"
%s
`, second, listens, protocol, strings.Join(backend, "\n")) + reportsFor(protocol, backend...)
}

// reportsFor is a section by which a service without HTTP responses gets load
// reports, if one of its backends goes by them.
func reportsFor(protocol string, backends ...string) string {
	if protocol != "TCP" && protocol != "SSL" || !strings.Contains(strings.Join(backends, ""), `"UTILIZATION"`) {
		return ""
	}
	return "[service.utilization]\nsource = \"POLL\"\npoll_path = \"/\"\n"
}

// lines are how a test writes each key.
var lines = map[string]string{
	"max_rate":                            "max_rate = 99.5",
	"max_rate_per_instance":               "max_rate_per_instance = 0.5",
	"max_rate_per_endpoint":               "max_rate_per_endpoint = 10",
	"max_connections":                     "max_connections = 100",
	"max_connections_per_instance":        "max_connections_per_instance = 10",
	"max_connections_per_endpoint":        "max_connections_per_endpoint = 10",
	"max_in_flight_requests":              "max_in_flight_requests = 100",
	"max_in_flight_requests_per_instance": "max_in_flight_requests_per_instance = 10",
	"max_in_flight_requests_per_endpoint": "max_in_flight_requests_per_endpoint = 10",
	"max_utilization":                     "max_utilization = 0.6",
	"custom_metrics":                      `custom_metrics = [{ name = "orca.named_metrics.gpu", max_utilization = 0.7 }]`,
}

const (
	rates           = "max_rate max_rate_per_instance max_rate_per_endpoint"
	ratesEach       = "max_rate_per_instance max_rate_per_endpoint"
	connections     = "max_connections max_connections_per_instance max_connections_per_endpoint"
	connectionsEach = "max_connections_per_instance max_connections_per_endpoint"
	inFlight        = "max_in_flight_requests max_in_flight_requests_per_instance max_in_flight_requests_per_endpoint"
	inFlightEach    = "max_in_flight_requests_per_instance max_in_flight_requests_per_endpoint"
)

// The rows of the table of spec.md §2.2, as docs/decisions/0017 reads them: by
// protocol, with instance and endpoint one word. A key that a row does not have is an error.
var modeRows = []struct {
	name      string
	protocols string
	regional  bool
	mode      string
	one       string // one of these is required
	perhaps   string // these may be there, one of each measure
	needs     string // what is required beside
}{
	{name: "APP zonal IG RATE", protocols: "HTTP HTTPS", mode: "RATE", one: rates},
	{name: "APP regional MIG RATE", protocols: "HTTP", regional: true, mode: "RATE", one: ratesEach},
	{name: "APP IG UTILIZATION", protocols: "HTTP HTTPS", mode: "UTILIZATION", perhaps: rates + " max_utilization"},
	{name: "APP regional MIG UTILIZATION", protocols: "HTTP", regional: true, mode: "UTILIZATION", perhaps: ratesEach + " max_utilization"},
	{name: "APP IG CUSTOM_METRICS", protocols: "HTTP HTTPS", mode: "CUSTOM_METRICS", needs: "custom_metrics", perhaps: rates},
	{name: "APP zonal or hybrid NEG RATE", protocols: "HTTP", mode: "RATE", one: rates},
	{name: "APP zonal or hybrid NEG CUSTOM_METRICS", protocols: "HTTP", mode: "CUSTOM_METRICS", needs: "custom_metrics", perhaps: rates},
	{name: "APP IN_FLIGHT", protocols: "HTTP HTTPS", mode: "IN_FLIGHT", one: inFlight},
	{name: "APP regional MIG IN_FLIGHT", protocols: "HTTP", regional: true, mode: "IN_FLIGHT", one: inFlightEach},
	{name: "PROXY zonal IG CONNECTION", protocols: "TCP SSL", mode: "CONNECTION", one: connections},
	{name: "PROXY regional MIG CONNECTION", protocols: "TCP", regional: true, mode: "CONNECTION", one: connectionsEach},
	{name: "PROXY IG UTILIZATION", protocols: "TCP SSL", mode: "UTILIZATION", perhaps: connections + " max_utilization"},
	{name: "PROXY zonal or hybrid NEG CONNECTION", protocols: "TCP", mode: "CONNECTION", one: connections},
	{name: "PASSTHROUGH IG or GCE_VM_IP CONNECTION", protocols: "UDP", mode: "CONNECTION"},
	{name: "any internet or PSC or serverless mode omitted", protocols: "HTTP TCP UDP"},
}

func TestTargetsGoWithModesAsTheTableSays(t *testing.T) {
	for _, row := range modeRows {
		t.Run(row.name, func(t *testing.T) {
			for _, protocol := range strings.Fields(row.protocols) {
				file := func(keys ...string) string {
					var backend []string
					if row.mode != "" {
						backend = append(backend, fmt.Sprintf("balancing_mode = %q", row.mode))
					}
					for _, key := range strings.Fields(row.needs + " " + strings.Join(keys, " ")) {
						backend = append(backend, lines[key])
					}
					return fileOf(protocol, row.regional, backend...)
				}
				beside := fmt.Sprintf("balancing_mode = %q", row.mode)
				if row.mode == "" {
					beside = "balancing_mode"
				}
				one, perhaps := strings.Fields(row.one), strings.Fields(row.perhaps)
				if len(one) > 0 {
					wantProblem(t, file(), "balancing_mode", "service.backend.balancing_mode: "+row.mode+" needs max_", one[len(one)-1])
				} else {
					wantLoads(t, file())
				}
				for _, key := range slices.Sorted(maps.Keys(lines)) {
					each := key + "_per_endpoint"
					switch taken := slices.Concat(one, perhaps); {
					case slices.Contains(taken, key):
						checkRoundTrip(t, wantLoads(t, file(key)))
					case key == row.needs: // is there
					case row.regional && slices.Contains(taken, each): // it is of the whole group
						wantProblem(t, file(key), key+" ", "service.backend."+key+": ", "zone on line 4", each)
					default:
						wantProblem(t, file(slices.Concat(one[:min(1, len(one))], []string{key})...), key+" ", "service.backend."+key+": ", beside)
					}
				}
				checkOneOf(t, slices.Concat(one, perhaps), file)
			}
		})
	}
}

// checkOneOf checks that of the keys for one measure there may be one only.
func checkOneOf(t *testing.T, keys []string, file func(...string) string) {
	t.Helper()
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			if a == "max_utilization" || b == "max_utilization" {
				wantLoads(t, file(a, b))
				continue
			}
			_, err := load(t, file(a, b))
			if text := fmt.Sprint(err); err == nil || len(config.Problems(err)) != 1 || !strings.Contains(text, a) || !strings.Contains(text, b) {
				t.Errorf("%s beside %s: got %v", a, b, err)
			}
		}
	}
}

func TestModesGoWithProtocolsAsTheTableSays(t *testing.T) {
	all := []string{"RATE", "CONNECTION", "UTILIZATION", "CUSTOM_METRICS", "IN_FLIGHT"}
	for kind, row := range map[string]struct{ protocols, modes string }{
		"APPLICATION":   {"HTTP HTTPS", "RATE UTILIZATION CUSTOM_METRICS IN_FLIGHT"},
		"PROXY_NETWORK": {"TCP SSL", "CONNECTION UTILIZATION"},
		"PASSTHROUGH":   {"UDP", "CONNECTION"},
	} {
		t.Run(kind, func(t *testing.T) {
			for _, protocol := range strings.Fields(row.protocols) {
				for _, mode := range all {
					if !slices.Contains(strings.Fields(row.modes), mode) {
						wantProblem(t, fileOf(protocol, false, fmt.Sprintf("balancing_mode = %q", mode)), "balancing_mode",
							"service.backend.balancing_mode: "+mode, fmt.Sprintf("protocol = %q", protocol),
							strings.Join(strings.Fields(row.modes), ", "))
					}
				}
			}
		})
	}
}
