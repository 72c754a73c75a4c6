package app

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/config"
)

// A key is a line of a backend, and what it means to package capacity.
type key struct {
	line string
	set  func(*capacity.Backend)
}

var targetKeys = []key{
	{"max_rate = 100", func(b *capacity.Backend) { b.MaxRate = 100 }},
	{"max_rate_per_endpoint = 2.5", func(b *capacity.Backend) { b.MaxRatePerEndpoint = 2.5 }},
	{"max_connections = 5", func(b *capacity.Backend) { b.MaxConnections = 5 }},
	{"max_connections_per_instance = 6", func(b *capacity.Backend) { b.MaxConnectionsPerEndpoint = 6 }},
	{"max_in_flight_requests = 7", func(b *capacity.Backend) { b.MaxInFlight = 7 }},
	{"max_in_flight_requests_per_endpoint = 8", func(b *capacity.Backend) { b.MaxInFlightPerEndpoint = 8 }},
	{"max_utilization = 0.5", func(b *capacity.Backend) { b.MaxUtilization = 0.5 }},
	{`custom_metrics = [{ name = "orca.named_metrics.gpu", max_utilization = 0.9 }, { name = "orca.cpu_utilization", dry_run = true }]`,
		func(b *capacity.Backend) {
			b.CustomMetrics = []capacity.CustomMetric{
				{Name: "orca.named_metrics.gpu", MaxUtilization: 0.9},
				{Name: "orca.cpu_utilization", MaxUtilization: 0.8, DryRun: true},
			}
		}},
}

// otherKeys are tried one at a time.
var otherKeys = []key{
	{"", func(*capacity.Backend) {}},
	{"capacity_scaler = 0.5", func(b *capacity.Backend) { b.Scaler = 0.5 }},
	{"capacity_scaler = 0.05", func(b *capacity.Backend) { b.Scaler = 0.05 }},
	{"capacity_scaler = 1.5", func(b *capacity.Backend) { b.Scaler = 1.5 }},
	{"capacity_scaler = 0", func(b *capacity.Backend) { b.Drained = true }},
	{`preference = "PREFERRED"`, func(b *capacity.Backend) { b.Preferred = true }},
	{"max_utilization = 0.0", func(b *capacity.Backend) { b.MaxUtilization = capacity.NoUtilization }},
	{"max_utilization = 1.5", func(b *capacity.Backend) { b.MaxUtilization = 1.5 }},
	{"max_utilization = nan", func(b *capacity.Backend) { b.MaxUtilization = nan() }},
	{"max_rate = -1", func(b *capacity.Backend) { b.MaxRate = -1 }},
	{"max_rate = inf", func(b *capacity.Backend) { b.MaxRate = 1 / zero }},
	{`custom_metrics = [{ name = "gpu" }]`, func(b *capacity.Backend) {
		b.CustomMetrics = []capacity.CustomMetric{{Name: "gpu"}}
	}},
	{`custom_metrics = [{ name = "orca.cpu_utilization", max_utilization = 0 }]`, func(b *capacity.Backend) {
		b.CustomMetrics = []capacity.CustomMetric{{Name: "orca.cpu_utilization", MaxUtilization: capacity.NoUtilization}}
	}},
	{`custom_metrics = [{ name = "orca.cpu_utilization", dry_run = true }]`, func(b *capacity.Backend) {
		b.CustomMetrics = []capacity.CustomMetric{{Name: "orca.cpu_utilization", MaxUtilization: 0.8, DryRun: true}}
	}},
}

var zero float64

func nan() float64 { return zero / zero }

var kinds = map[string]capacity.Kind{
	"HTTP": capacity.Application, "TCP": capacity.ProxyNetwork, "UDP": capacity.Passthrough,
}

var modes = []string{"", "RATE", "CONNECTION", "UTILIZATION", "CUSTOM_METRICS", "IN_FLIGHT"}

// Every combination of targets, and some with what is wrong by itself: what the
// file says and what the library takes is the same, and means the same.
func TestTheFileAndTheLibraryAgreeOnBackends(t *testing.T) {
	accepted := 0
	for _, protocol := range []string{"HTTP", "TCP", "UDP"} {
		kind := kinds[protocol]
		for _, mode := range modes {
			for set := range 1 << len(targetKeys) {
				var keys []key
				for i, k := range targetKeys {
					if set>>i&1 == 1 {
						keys = append(keys, k)
					}
				}
				for _, other := range otherKeys {
					if repeats(keys, other) {
						continue
					}
					if agree(t, protocol, kind, mode, append(slices.Clone(keys), other)) {
						accepted++
					}
					if len(keys) > 1 {
						break // without another
					}
				}
			}
		}
	}
	if accepted < 40 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// repeats reports whether one of keys has the name of other.
func repeats(keys []key, other key) bool {
	name, _, _ := strings.Cut(other.line, " = ")
	return name != "" && slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.line, name+" = ") })
}

// agree checks one backend, and reports whether it was accepted.
func agree(t *testing.T, protocol string, kind capacity.Kind, mode string, keys []key) bool {
	t.Helper()
	m, err := capacity.ParseMode(mode)
	if err != nil {
		t.Fatal(err)
	}
	want := capacity.Backend{Mode: m}
	text := "group = 'g'\n"
	if mode != "" {
		text += "balancing_mode = '" + mode + "'\n"
	}
	for _, k := range keys {
		text += k.line + "\n"
		k.set(&want)
	}
	cfg, inFile := config.Parse("test.toml", fileWith(protocol, text))
	inLibrary := capacity.ValidateService(kind, map[string]capacity.Backend{"g": want})
	if (inFile == nil) != (inLibrary == nil) {
		t.Errorf("%s\n%s→ the file: %v\n→ the library: %v", protocol, text, inFile, inLibrary)
	}
	if inFile != nil || inLibrary != nil {
		return false
	}
	got, err := backendOf(&cfg.Services[0], "g")
	if err != nil {
		t.Fatal(err)
	}
	// The file fills in what the library takes for granted.
	if want.MaxUtilization == 0 && got.MaxUtilization == capacity.DefaultUtilization {
		want.MaxUtilization = got.MaxUtilization
	}
	if want.Mode != capacity.NoMode && want.Scaler == 0 && !want.Drained {
		want.Scaler = 1
	}
	if protocol == "UDP" {
		want = capacity.Backend{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n%s→ got %+v, want %+v", protocol, text, got, want)
	}
	return true
}

func fileWith(protocol, backend string) []byte {
	reports := ""
	if protocol == "TCP" && strings.Contains(backend, "'UTILIZATION'") {
		reports = "utilization.enable_oob_load_report = true" // without which nobody can send any
	}
	return fmt.Appendf(nil, `
[[listener]]
listen = ":1"
protocol = "%s"
service = "s"
[[group]]
name = "g"
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
[[service]]
name = "s"
protocol = "%s"
%s
[[service.backend]]
%s`, protocol, protocol, reports, backend)
}

// goodKeys are a backend's keys for each mode.
var goodKeys = map[string]key{
	"":               otherKeys[0],
	"RATE":           targetKeys[0],
	"CONNECTION":     targetKeys[2],
	"UTILIZATION":    targetKeys[6],
	"CUSTOM_METRICS": targetKeys[7],
	"IN_FLIGHT":      targetKeys[4],
}

func backendWith(mode string) (text string, b capacity.Backend) {
	goodKeys[mode].set(&b)
	b.Mode, _ = capacity.ParseMode(mode)
	if mode != "" {
		text = "balancing_mode = '" + mode + "'\n"
	}
	return text + goodKeys[mode].line + "\n", b
}

func TestTheFileAndTheLibraryAgreeOnModesSideBySide(t *testing.T) {
	for _, protocol := range []string{"HTTP", "TCP"} {
		for _, a := range modes {
			for _, b := range modes {
				textA, backendA := backendWith(a)
				textB, backendB := backendWith(b)
				text := string(fileWith(protocol, "group = 'g'\n"+textA+"[[service.backend]]\ngroup = 'h'\n"+textB)) +
					"[[group]]\nname = 'h'\nendpoints = ['10.0.0.3:80']\n"
				_, inFile := config.Parse("test.toml", []byte(text))
				inLibrary := capacity.ValidateService(kinds[protocol], map[string]capacity.Backend{"g": backendA, "h": backendB})
				if (inFile == nil) != (inLibrary == nil) {
					t.Errorf("%s: %s and %s:\n→ the file: %v\n→ the library: %v", protocol, a, b, inFile, inLibrary)
				}
			}
		}
	}
}

func TestTheFileAndTheLibraryAgreeOnSharedGroups(t *testing.T) {
	protocolOf := func(mode string) string {
		if mode == "CONNECTION" {
			return "TCP"
		}
		return "HTTP"
	}
	for _, a := range modes {
		for _, b := range modes {
			textA, backendA := backendWith(a)
			textB, backendB := backendWith(b)
			text := string(fileWith(protocolOf(a), "group = 'g'\n"+textA)) +
				fmt.Sprintf("[[listener]]\nlisten = ':2'\nprotocol = '%s'\nservice = 'other'\n[[service]]\nname = 'other'\n[[service.backend]]\ngroup = 'g'\n%s",
					protocolOf(b), textB)
			_, inFile := config.Parse("test.toml", []byte(text))
			if compatible := capacity.Compatible(backendA.Mode, backendB.Mode); (inFile == nil) != compatible {
				t.Errorf("%s and %s: the library says %t, the file %v", a, b, compatible, inFile)
			}
		}
	}
}
