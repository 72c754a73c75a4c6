package capacity_test

import (
	"math"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

// targets sets each of the fields of spec.md §2.2, in its order.
var targets = []struct {
	field string
	set   func(*capacity.Backend)
}{
	{"MaxRate", func(b *capacity.Backend) { b.MaxRate = 100 }},
	{"MaxRatePerEndpoint", func(b *capacity.Backend) { b.MaxRatePerEndpoint = 100 }},
	{"MaxConnections", func(b *capacity.Backend) { b.MaxConnections = 100 }},
	{"MaxConnectionsPerEndpoint", func(b *capacity.Backend) { b.MaxConnectionsPerEndpoint = 100 }},
	{"MaxInFlight", func(b *capacity.Backend) { b.MaxInFlight = 100 }},
	{"MaxInFlightPerEndpoint", func(b *capacity.Backend) { b.MaxInFlightPerEndpoint = 100 }},
	{"MaxUtilization", func(b *capacity.Backend) { b.MaxUtilization = .8 }},
	{"CustomMetrics", func(b *capacity.Backend) {
		b.CustomMetrics = []capacity.CustomMetric{{Name: "orca.named_metrics.gpu"}}
	}},
}

// Rows of spec.md §2.2 by protocol, as this project reads them: every mode is open
// to every group. For each of targets: R, one of those that say so is required, O
// it is optional, - it is an error.
func TestTargetParameters(t *testing.T) {
	tests := []struct {
		kind capacity.Kind
		mode capacity.Mode
		row  string // "" if the kind has no such mode
	}{
		//                                            rate  conns in fl util metrics
		{capacity.Application, capacity.Rate, "          R R  - -  - -  - -"},
		{capacity.Application, capacity.Utilization, "   O O  - -  - -  O -"},
		{capacity.Application, capacity.CustomMetrics, " O O  - -  - -  - R"},
		{capacity.Application, capacity.InFlight, "      - -  - -  R R  - -"},
		{capacity.Application, capacity.Connection, ""},
		{capacity.Application, capacity.NoMode, "        - -  - -  - -  - -"},
		{capacity.ProxyNetwork, capacity.Connection, "   - -  R R  - -  - -"},
		{capacity.ProxyNetwork, capacity.Utilization, "  - -  O O  - -  O -"},
		{capacity.ProxyNetwork, capacity.Rate, ""},
		{capacity.ProxyNetwork, capacity.CustomMetrics, ""},
		{capacity.ProxyNetwork, capacity.InFlight, ""},
		{capacity.ProxyNetwork, capacity.NoMode, "       - -  - -  - -  - -"},
		{capacity.Passthrough, capacity.Connection, "    - -  - -  - -  - -"},
		{capacity.Passthrough, capacity.Rate, ""},
		{capacity.Passthrough, capacity.Utilization, ""},
		{capacity.Passthrough, capacity.CustomMetrics, ""},
		{capacity.Passthrough, capacity.InFlight, ""},
		{capacity.Passthrough, capacity.NoMode, "        - -  - -  - -  - -"},
		{capacity.AnyKind, capacity.Rate, "              R R  - -  - -  - -"},
		{capacity.AnyKind, capacity.Connection, "        - -  R R  - -  - -"},
		{capacity.AnyKind, capacity.InFlight, "          - -  - -  R R  - -"},
		{capacity.AnyKind, capacity.Utilization, "       O O  O O  - -  O -"},
		{capacity.AnyKind, capacity.CustomMetrics, "     O O  - -  - -  - R"},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.mode.String(), func(t *testing.T) {
			if tt.row == "" {
				b := capacity.Backend{Mode: tt.mode}
				want(t, b.Validate(tt.kind), "Mode "+tt.mode.String(), tt.kind.String())
				return
			}
			row := strings.Fields(tt.row)
			base := capacity.Backend{Mode: tt.mode}
			if i := strings.Index(strings.Join(row, ""), "R"); i >= 0 {
				want(t, base.Validate(tt.kind), tt.mode.String(), targets[i].field)
				targets[i].set(&base)
			}
			want(t, base.Validate(tt.kind))
			for i, legend := range row {
				b := capacity.Backend{Mode: tt.mode}
				if legend == "-" {
					b = base
				}
				if tt.mode == capacity.CustomMetrics {
					b.CustomMetrics = base.CustomMetrics
				}
				targets[i].set(&b)
				switch {
				case legend != "-":
					want(t, b.Validate(tt.kind))
				case tt.mode == capacity.NoMode && tt.kind != capacity.Passthrough:
					want(t, b.Validate(tt.kind), targets[i].field, "no Mode")
				case tt.kind == capacity.Passthrough:
					want(t, b.Validate(tt.kind), targets[i].field, "UDP")
				default:
					want(t, b.Validate(tt.kind), targets[i].field, "Mode "+tt.mode.String())
				}
			}
		})
	}
}

// want fails unless err says all of the words; without words there is to be no
// error.
func want(t *testing.T, err error, words ...string) {
	t.Helper()
	if len(words) == 0 {
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		return
	}
	if err == nil {
		t.Errorf("no error; want one about %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestTwoTargetsOfOneUnitExcludeEachOther(t *testing.T) {
	tests := []struct {
		mode capacity.Mode
		a, b int
	}{
		{capacity.Rate, 0, 1}, {capacity.Utilization, 0, 1}, {capacity.CustomMetrics, 0, 1},
		{capacity.Connection, 2, 3}, {capacity.Utilization, 2, 3}, {capacity.InFlight, 4, 5},
		{capacity.Utilization, 0, 2}, // of two units: no protocol has both
	}
	for _, tt := range tests {
		b := capacity.Backend{Mode: tt.mode}
		if tt.mode == capacity.CustomMetrics {
			targets[7].set(&b)
		}
		targets[tt.a].set(&b)
		targets[tt.b].set(&b)
		want(t, b.Validate(capacity.AnyKind), targets[tt.a].field+" and "+targets[tt.b].field)
	}
}

// Rows of spec.md §2.5, and what else a number may not be.
func TestNumbersOfABackend(t *testing.T) {
	rate := capacity.Backend{Mode: capacity.Rate, MaxRate: 80}
	tests := []struct {
		name string
		edit func(*capacity.Backend)
		want []string
	}{
		{"scaler 0.1", func(b *capacity.Backend) { b.Scaler = .1 }, nil},
		{"scaler 1", func(b *capacity.Backend) { b.Scaler = 1 }, nil},
		{"scaler 0", func(b *capacity.Backend) { b.Drained = true }, nil},
		{"T2 scaler 0.05", func(b *capacity.Backend) { b.Scaler = .05 }, []string{"Scaler 0.05"}},
		{"scaler 0.099", func(b *capacity.Backend) { b.Scaler = .099 }, []string{"Scaler 0.099"}},
		{"scaler above 1", func(b *capacity.Backend) { b.Scaler = 1.01 }, []string{"Scaler 1.01"}},
		{"scaler below 0", func(b *capacity.Backend) { b.Scaler = -1 }, []string{"Scaler -1"}},
		{"scaler NaN", func(b *capacity.Backend) { b.Scaler = math.NaN() }, []string{"Scaler NaN"}},
		{"rate below 0", func(b *capacity.Backend) { b.MaxRate = -1 }, []string{"MaxRate -1"}},
		{"rate NaN", func(b *capacity.Backend) { b.MaxRate = math.NaN() }, []string{"MaxRate NaN"}},
		{"rate without end", func(b *capacity.Backend) { b.MaxRate = math.Inf(1) }, []string{"MaxRate +Inf"}},
		{"connections below 0", func(b *capacity.Backend) { *b = capacity.Backend{Mode: capacity.Connection, MaxConnections: -1} }, []string{"MaxConnections -1"}},
		{"utilization 1", func(b *capacity.Backend) { *b = capacity.Backend{Mode: capacity.Utilization, MaxUtilization: 1} }, nil},
		{"utilization above 1", func(b *capacity.Backend) { *b = capacity.Backend{Mode: capacity.Utilization, MaxUtilization: 1.1} }, []string{"MaxUtilization 1.1"}},
		{"utilization NaN", func(b *capacity.Backend) {
			*b = capacity.Backend{Mode: capacity.Utilization, MaxUtilization: math.NaN()}
		}, []string{"MaxUtilization NaN"}},
		{"scaler without mode", func(b *capacity.Backend) { *b = capacity.Backend{Scaler: .5} }, []string{"Scaler", "no Mode"}},
		{"scaler of 0 without mode", func(b *capacity.Backend) { *b = capacity.Backend{Drained: true} }, []string{"Drained", "no Mode"}},
		{"preferred without mode", func(b *capacity.Backend) { *b = capacity.Backend{Preferred: true} }, []string{"Preferred", "no Mode"}},
		{"all at once", func(b *capacity.Backend) { b.Scaler, b.MaxConnections = 7, -1 }, []string{"Scaler 7", "MaxConnections -1", "MaxRate and MaxConnections"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := rate
			tt.edit(&b)
			want(t, b.Validate(capacity.AnyKind), tt.want...)
		})
	}
	t.Run("scaler on UDP", func(t *testing.T) {
		want(t, capacity.Backend{Mode: capacity.Connection, Scaler: 1}.Validate(capacity.Passthrough), "Scaler", "UDP")
	})
}

// Rows of spec.md §2.6.
func TestCustomMetrics(t *testing.T) {
	type metric = capacity.CustomMetric
	tests := []struct {
		name    string
		metrics []metric
		want    []string
	}{
		{"one", []metric{{Name: "orca.cpu_utilization"}}, nil},
		{"one beside one of dry run", []metric{{Name: "orca.mem_utilization", DryRun: true}, {Name: "orca.application_utilization"}}, nil},
		{"maximum 1", []metric{{Name: "orca.named_metrics.a-b_c.d", MaxUtilization: 1}}, nil},
		{"none", nil, []string{"CUSTOM_METRICS", "CustomMetrics"}},
		{"only dry run", []metric{{Name: "orca.cpu_utilization", DryRun: true}}, []string{"CUSTOM_METRICS", "DryRun"}},
		{"twice", []metric{{Name: "orca.cpu_utilization"}, {Name: "orca.cpu_utilization", DryRun: true}}, []string{"twice"}},
		{"maximum above 1", []metric{{Name: "orca.cpu_utilization", MaxUtilization: 1.5}}, []string{"1.5", "orca.cpu_utilization"}},
		{"maximum NaN", []metric{{Name: "orca.cpu_utilization", MaxUtilization: math.NaN()}}, []string{"NaN"}},
		{"no name", []metric{{}}, []string{`""`}},
		{"name of 64", []metric{{Name: "orca.named_metrics." + strings.Repeat("x", 45)}}, nil},
		{"name of 65", []metric{{Name: "orca.named_metrics." + strings.Repeat("x", 46)}}, []string{"64"}},
		{"name in capitals", []metric{{Name: "orca.named_metrics.GPU"}}, []string{"a-z"}},
		{"name that ends with a dot", []metric{{Name: "orca.named_metrics."}}, []string{"a-z"}},
		{"name that no report has", []metric{{Name: "gpu"}}, []string{`"gpu"`, "orca.named_metrics.NAME"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := capacity.Backend{Mode: capacity.CustomMetrics, CustomMetrics: tt.metrics}
			want(t, b.Validate(capacity.Application), tt.want...)
		})
	}
}

func TestBackendsOfOneService(t *testing.T) {
	type backends = map[string]capacity.Backend
	rate := capacity.Backend{Mode: capacity.Rate, MaxRate: 80}
	util := capacity.Backend{Mode: capacity.Utilization}
	metrics := capacity.Backend{Mode: capacity.CustomMetrics, CustomMetrics: []capacity.CustomMetric{{Name: "orca.cpu_utilization"}}}
	conns := capacity.Backend{Mode: capacity.Connection, MaxConnections: 5}
	flight := capacity.Backend{Mode: capacity.InFlight, MaxInFlight: 5}
	off := rate
	off.Drained = true
	tests := []struct {
		name string
		of   backends
		want []string
	}{
		{"none", nil, nil},
		{"no modes", backends{"a": {}, "b": {}}, nil},
		{"rate, utilization, metrics", backends{"a": rate, "b": util, "c": metrics}, nil},
		{"one with a scaler of 0", backends{"a": off, "b": rate}, nil},
		{"the only one with a scaler of 0", backends{"a": off}, []string{`"a"`, "only one"}},
		{"all with a scaler of 0", backends{"a": off, "b": off}, []string{`"a" "b"`, "scaler of 0"}},
		{"mode on one only", backends{"a": rate, "b": {}}, []string{`"a"`, `"b"`, "Mode"}},
		{"connections and utilization", backends{"a": conns, "b": util}, []string{`"a"`, `"b"`, "CONNECTION", "UTILIZATION"}},
		{"connections and rate", backends{"a": conns, "b": rate}, []string{"CONNECTION", "RATE"}},
		{"in flight and rate", backends{"a": flight, "b": rate}, []string{"IN_FLIGHT", "RATE"}},
		{"in flight and metrics", backends{"a": flight, "b": metrics}, []string{"IN_FLIGHT", "CUSTOM_METRICS"}},
		{"in flight alone", backends{"a": flight, "b": flight}, nil},
		{"what is wrong with one", backends{"a": rate, "b": {Mode: capacity.Rate}}, []string{`"b"`, "RATE needs MaxRate"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, capacity.ValidateService(capacity.AnyKind, tt.of), tt.want...)
		})
	}
}

func TestServicePolicyLimits(t *testing.T) {
	here := capacity.Place{Region: "eu"}
	for threshold, ok := range map[int]bool{0: true, 1: true, 99: true, 100: false, -1: false} {
		err := capacity.ServicePolicy{FailoverHealthThreshold: threshold}.Validate(here)
		if (err == nil) != ok {
			t.Errorf("threshold %d: %v", threshold, err)
		}
	}
	want(t, capacity.ServicePolicy{Isolation: capacity.Strict}.Validate(here))
	want(t, capacity.ServicePolicy{Isolation: capacity.Strict}.Validate(capacity.Place{}), "STRICT", "region")
	want(t, capacity.ServicePolicy{Isolation: capacity.Nearest}.Validate(capacity.Place{}))
	want(t, capacity.ServicePolicy{Isolation: 9, Algorithm: 9}.Validate(here), "Isolation 9", "Algorithm 9")
}
