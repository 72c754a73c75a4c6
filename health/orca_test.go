package health_test

import (
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"testing"

	orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/protobuf/proto"

	"github.com/spillway-lb/spillway/health"
)

// reading is a report of what is given; the rest is not reported.
func reading(cpu, mem, app, rps, eps float64, named ...health.NamedMetric) health.LoadReport {
	return health.LoadReport{CPU: cpu, Memory: mem, Application: app, RPS: rps, EPS: eps, Named: named}
}

func sameReport(a, b health.LoadReport) bool {
	return a.CPU == b.CPU && a.Memory == b.Memory && a.Application == b.Application && a.RPS == b.RPS && a.EPS == b.EPS &&
		slices.Equal(a.Named, b.Named)
}

// binary is a report as gRPC sends it.
func binary(t testing.TB, r *orcapb.OrcaLoadReport) string {
	t.Helper()
	b, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestLoadReportsAreReadInEveryForm(t *testing.T) {
	gpu := health.NamedMetric{Name: "gpu", Value: 0.25}
	full := reading(0.5, 0.25, 0.75, 100.5, 2, gpu)
	sent := &orcapb.OrcaLoadReport{
		CpuUtilization: 0.5, MemUtilization: 0.25, ApplicationUtilization: 0.75, RpsFractional: 100.5, Eps: 2,
		NamedMetrics: map[string]float64{"gpu": 0.25, "other": 9}, RequestCost: map[string]float64{"x": 1}, Utilization: map[string]float64{"y": 1},
	}
	const text = "cpu_utilization=0.5,mem_utilization=0.25,application_utilization=0.75,rps_fractional=100.5,eps=2,named_metrics.gpu=0.25,named_metrics.other=9"
	const json = `{"cpu_utilization":0.5,"mem_utilization":0.25,"application_utilization":0.75,"rps_fractional":100.5,"eps":2,"named_metrics":{"gpu":0.25,"other":9}}`
	for _, row := range []struct {
		name, field, value string
		want               health.LoadReport
	}{
		{"text with =", "endpoint-load-metrics", text, full},
		{"text with :", "endpoint-load-metrics", strings.ReplaceAll(text, "=", ":"), full},
		{"text with spaces", "Endpoint-Load-Metrics", " cpu_utilization = 0.5 ,\teps : 2, ,", reading(0.5, -1, -1, -1, 2)},
		{"text with prefix", "X-Endpoint-Load-Metrics", "TEXT " + text, full},
		{"json", "endpoint-load-metrics-json", json, full},
		{"json in camel case", "x-Endpoint-Load-Metrics-JSON",
			`{"cpuUtilization":0.5,"memUtilization":0.25,"applicationUtilization":0.75,"rpsFractional":100.5,"eps":2,"namedMetrics":{"other":9,"gpu":0.25}}`, full},
		{"json with strings and null", "endpoint-load-metrics-json",
			` { "rps" : "17", "cpu_utilization" : "5e-1", "eps":null, "request_cost": {"x": 1}, "utilization":null, "named_metrics":null } `, reading(0.5, -1, -1, -1, -1)},
		{"json with prefix", "endpoint-load-metrics", "JSON " + json, full},
		{"json with nothing", "endpoint-load-metrics", "JSON {}", health.NoLoadReport()},
		{"binary", "endpoint-load-metrics-bin", binary(t, sent), full},
		{"binary without padding", "x-endpoint-load-metrics-bin", strings.TrimRight(binary(t, sent), "="), full},
		{"binary with prefix", "endpoint-load-metrics", "BIN " + binary(t, sent), full},
		{"binary with nothing", "endpoint-load-metrics-bin", "", health.NoLoadReport()},
		{"binary 0 is none", "endpoint-load-metrics-bin", base64.StdEncoding.EncodeToString([]byte("\x09\x00\x00\x00\x00\x00\x00\x00\x00")), health.NoLoadReport()},
		{"text 0 is 0", "endpoint-load-metrics", "cpu_utilization=0", reading(0, -1, -1, -1, -1)},
		{"above 1", "endpoint-load-metrics", "cpu_utilization=1.5,application_utilization=2e0", reading(1.5, -1, 2, -1, -1)},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := health.NewLoadReader("orca.named_metrics.gpu", "orca.cpu_utilization")
			report := reading(7, 7, 7, 7, 7, health.NamedMetric{Name: "left over", Value: 7})
			if err := r.Read(health.LoadFormOf([]byte(row.field)), []byte(row.value), &report); err != nil {
				t.Fatal(err)
			}
			if !sameReport(report, row.want) {
				t.Errorf("got %+v, want %+v", report, row.want)
			}
		})
	}
}

func TestBadLoadReportsAreRefusedAsAWhole(t *testing.T) {
	for _, row := range []struct{ name, field, value string }{
		{"another field", "endpoint-load", "eps=1"},
		{"empty", "endpoint-load-metrics", ""},
		{"nothing but commas", "endpoint-load-metrics", " , ,"},
		{"nothing behind the prefix", "endpoint-load-metrics", "TEXT "},
		{"no separator", "endpoint-load-metrics", "eps=1,cpu_utilization"},
		{"no name", "endpoint-load-metrics", "eps=1,=1"},
		{"no value", "endpoint-load-metrics", "eps=1,cpu_utilization="},
		{"no metric's name", "endpoint-load-metrics", "eps=1,named_metrics.=1"},
		{"unknown", "endpoint-load-metrics", "eps=1,load=1"},
		{"unknown in capitals", "endpoint-load-metrics", "EPS=1"},
		{"twice", "endpoint-load-metrics", "eps=1,eps=1"},
		{"twice, named", "endpoint-load-metrics", "named_metrics.gpu=1,named_metrics.gpu=1"},
		{"NaN", "endpoint-load-metrics", "eps=1,cpu_utilization=NaN"},
		{"infinite", "endpoint-load-metrics", "eps=1,cpu_utilization=Inf"},
		{"negative", "endpoint-load-metrics", "eps=1,cpu_utilization=-0.1"},
		{"too large a number", "endpoint-load-metrics", "eps=1,cpu_utilization=1e309"},
		{"hexadecimal", "endpoint-load-metrics", "eps=1,cpu_utilization=0x1p-2"},
		{"a percentage", "endpoint-load-metrics", "eps=1,cpu_utilization=50%"},
		{"too long a number", "endpoint-load-metrics", "eps=1,cpu_utilization=0." + strings.Repeat("1", 31)},
		{"a prefix of another form", "endpoint-load-metrics-json", "JSON {}"},
		{"json, empty", "endpoint-load-metrics-json", ""},
		{"json, cut", "endpoint-load-metrics-json", `{"eps":1`},
		{"json, two", "endpoint-load-metrics-json", `{"eps":1}{}`},
		{"json, not an object", "endpoint-load-metrics-json", `[]`},
		{"json, null", "endpoint-load-metrics-json", `null`},
		{"json, unknown", "endpoint-load-metrics-json", `{"eps":1,"load":1}`},
		{"json, twice", "endpoint-load-metrics-json", `{"eps":1,"eps":1}`},
		{"json, twice in two spellings", "endpoint-load-metrics-json", `{"rpsFractional":1,"rps_fractional":1}`},
		{"json, true", "endpoint-load-metrics-json", `{"eps":true}`},
		{"json, negative", "endpoint-load-metrics-json", `{"eps":-1}`},
		{"json, NaN", "endpoint-load-metrics-json", `{"eps":"NaN"}`},
		{"json, a metric is null", "endpoint-load-metrics-json", `{"eps":1,"named_metrics":{"gpu":null}}`},
		{"json, metrics are a list", "endpoint-load-metrics-json", `{"eps":1,"named_metrics":[1]}`},
		{"json, not UTF-8", "endpoint-load-metrics-json", "{\"eps\":1,\"named_metrics\":{\"\xff\":1}}"},
		{"binary, not base64", "endpoint-load-metrics-bin", "eps=1!"},
		{"binary, cut", "endpoint-load-metrics-bin", base64.StdEncoding.EncodeToString([]byte("\x09\x00\x00"))},
		{"binary, negative", "endpoint-load-metrics-bin", binary(t, &orcapb.OrcaLoadReport{CpuUtilization: -1})},
		{"binary, NaN", "endpoint-load-metrics-bin", binary(t, &orcapb.OrcaLoadReport{CpuUtilization: math.NaN()})},
		{"binary, infinite", "endpoint-load-metrics-bin", binary(t, &orcapb.OrcaLoadReport{Eps: math.Inf(1)})},
		{"binary, a metric is negative", "endpoint-load-metrics-bin", binary(t, &orcapb.OrcaLoadReport{NamedMetrics: map[string]float64{"gpu": -1}})},
		{"text too large", "endpoint-load-metrics", "eps=1" + strings.Repeat(",", health.MaxLoadReport)},
		{"json too large", "endpoint-load-metrics-json", "{}" + strings.Repeat(" ", health.MaxLoadReport)},
		{"binary too large", "endpoint-load-metrics-bin", strings.Repeat("A", health.MaxLoadReport+1)},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := health.NewLoadReader("orca.named_metrics.gpu")
			report := reading(7, 7, 7, 7, 7, health.NamedMetric{Name: "left over", Value: 7})
			err := r.Read(health.LoadFormOf([]byte(row.field)), []byte(row.value), &report)
			if err == nil || !strings.HasPrefix(err.Error(), "health: load report: ") {
				t.Errorf("error %v", err)
			}
			if !sameReport(report, health.NoLoadReport()) {
				t.Errorf("it reports %+v", report)
			}
		})
	}
}

func TestOnlyReportFieldsAreReports(t *testing.T) {
	for name, want := range map[string]health.LoadForm{
		"endpoint-load-metrics": health.LoadText, "ENDPOINT-LOAD-METRICS": health.LoadText, "X-Endpoint-Load-Metrics": health.LoadText,
		"endpoint-load-metrics-json": health.LoadJSON, "x-endpoint-load-metrics-json": health.LoadJSON,
		"endpoint-load-metrics-bin": health.LoadBinary, "X-Endpoint-Load-Metrics-Bin": health.LoadBinary,
		"": 0, "x-": 0, "endpoint-load-metric": 0, "endpoint-load-metrics-": 0, "endpoint-load-metrics-b64": 0, "endpoint-load-metrics-text": 0,
		"x-x-endpoint-load-metrics": 0, "y-endpoint-load-metrics": 0, "endpoint_load_metrics": 0, "x-endpoint-load-metrics-jso": 0,
	} {
		if got := health.LoadFormOf([]byte(name)); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// An endpoint that reports with every response costs no memory, whatever it sends.
func TestReadingLoadReportsAllocatesNothing(t *testing.T) {
	r, report := health.NewLoadReader("orca.named_metrics.gpu", "orca.named_metrics.tpu"), health.NoLoadReport()
	sent := &orcapb.OrcaLoadReport{CpuUtilization: 0.5, NamedMetrics: map[string]float64{"gpu": 0.25, "tpu": 1, "other": 9}}
	for name, value := range map[string]string{
		"text":       "cpu_utilization=0.5,named_metrics.gpu=0.25,named_metrics.tpu=1,named_metrics.other=0.12345678901234567",
		"json":       `JSON {"cpuUtilization":0.5,"named_metrics":{"gpu":"0.25","tpu":1,"other":9}}`,
		"binary":     "BIN " + binary(t, sent),
		"bad text":   "cpu_utilization=x",
		"range":      "cpu_utilization=1e999",
		"bad json":   `JSON {"eps":`,
		"bad base64": "BIN !",
	} {
		value := []byte(value)
		read := func() { _ = r.Read(health.LoadText, value, &report) }
		read()
		want := 0.0
		if name == "bad text" || name == "range" || name == "bad json" || name == "bad base64" {
			want = 3 // strconv, json and base64 make errors of their own
		}
		if n := testing.AllocsPerRun(100, read); n > want {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
