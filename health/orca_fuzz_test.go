package health_test

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"testing"

	orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/spillway-lb/spillway/health"
)

// read reads and holds the result to what is true of any.
func read(t *testing.T, form health.LoadForm, value []byte) (health.LoadReport, error) {
	t.Helper()
	before := string(value)
	report := health.NoLoadReport()
	err := health.NewLoadReader("orca.named_metrics.gpu").Read(form, value, &report)
	if string(value) != before {
		t.Fatal("the value was changed")
	}
	if err != nil && !sameReport(report, health.NoLoadReport()) {
		t.Errorf("%v, and yet it reports %+v", err, report)
	}
	for _, x := range []float64{report.CPU, report.Memory, report.Application, report.RPS, report.EPS} {
		if x < 0 && x != -1 || math.IsNaN(x) || math.IsInf(x, 0) {
			t.Errorf("it reports %v", x)
		}
	}
	if len(report.Named) > 1 || len(report.Named) == 1 && !(report.Named[0].Value >= 0 && report.Named[0].Name == "gpu") {
		t.Errorf("named metrics %v", report.Named)
	}
	return report, err
}

// FuzzLoadText reads the list a second time as simply as one can.
func FuzzLoadText(f *testing.F) {
	for _, s := range []string{"cpu_utilization=0.5,eps:2", "TEXT named_metrics.gpu=1", "named_metrics.a=1,named_metrics.a=2", ",", "eps=1=2", "eps:1e5, , rps_fractional = .5",
		"mem_utilization=NaN", "eps=-1", "eps=0x1", "JSON {}", "BIN AA==", "application_utilization=1,application_utilization=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		report, err := read(t, health.LoadText, []byte(s))
		if strings.HasPrefix(s, "JSON ") || strings.HasPrefix(s, "BIN ") {
			return
		}
		want, ok := naiveText(strings.TrimPrefix(s, "TEXT "))
		ok = ok && len(s) <= health.MaxLoadReport
		if (err == nil) != ok {
			t.Fatalf("error %v, want one: %v", err, !ok)
		}
		if ok && !sameReport(report, want) {
			t.Errorf("got %+v, want %+v", report, want)
		}
	})
}

func naiveText(s string) (health.LoadReport, bool) {
	report, seen := health.NoLoadReport(), map[string]bool{}
	scalars := map[string]*float64{"cpu_utilization": &report.CPU, "mem_utilization": &report.Memory,
		"application_utilization": &report.Application, "rps_fractional": &report.RPS, "eps": &report.EPS}
	empty := true
	for _, pair := range strings.Split(s, ",") {
		if pair = strings.Trim(pair, " \t"); pair == "" {
			continue
		}
		empty = false
		at := strings.IndexAny(pair, "=:")
		if at < 0 {
			return report, false
		}
		name, text := strings.Trim(pair[:at], " \t"), strings.Trim(pair[at+1:], " \t")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || len(text) > 32 || strings.Trim(text, "0123456789.eE+-") != "" || strings.ContainsAny(text[:1], "+-") {
			return report, false
		}
		key, named := strings.CutPrefix(name, "named_metrics.")
		to := scalars[name]
		switch {
		case to == nil && (!named || key == ""), seen[name]:
			return report, false
		case to != nil:
			*to = value
		case key == "gpu":
			report.Named = []health.NamedMetric{{Name: key, Value: value}}
		}
		seen[name] = to != nil || key == "gpu"
	}
	return report, !empty
}

// FuzzLoadJSON has protobuf's own reader beside ours: what that one reads, and has
// no number that we refuse, ours reads too, and with the same numbers.
func FuzzLoadJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"cpu_utilization":0.5,"named_metrics":{"gpu":1,"\"":2}}`, `{"cpuUtilization":"1e-1","rps":"5","namedMetrics":null}`,
		`{"eps":-1}`, `{"eps":"NaN"}`, `{"eps":1,"eps":1}`, `{"requestCost":{"a":1.5},"utilization":{}}`, `{"mem\u005futilization":1}`, `null`, ` { } `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		report, err := read(t, health.LoadJSON, []byte(s))
		var pb orcapb.OrcaLoadReport
		pbErr := protojson.Unmarshal([]byte(s), &pb)
		if pbErr == nil && err == nil {
			compare(t, report, &pb)
		}
		if pbErr == nil && err != nil && len(s) <= health.MaxLoadReport && !strings.Contains(s, `\`) && plainNumbers(&pb) && !hasLongNumber(s) {
			t.Errorf("protobuf reads %v, we say %v", &pb, err)
		}
	})
}

// plainNumbers reports whether all are from 0 on.
func plainNumbers(r *orcapb.OrcaLoadReport) bool {
	numbers := []float64{r.CpuUtilization, r.MemUtilization, r.ApplicationUtilization, r.RpsFractional, r.Eps}
	for _, m := range []map[string]float64{r.NamedMetrics, r.RequestCost, r.Utilization} {
		for _, x := range m {
			numbers = append(numbers, x)
		}
	}
	for _, x := range numbers {
		if !(x >= 0) || math.IsInf(x, 0) || math.Signbit(x) {
			return false
		}
	}
	return true
}

func hasLongNumber(s string) bool {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) {
		if len(word) > 32 {
			return true
		}
	}
	return false
}

// compare takes 0 for what is not reported, as protobuf does.
func compare(t *testing.T, got health.LoadReport, pb *orcapb.OrcaLoadReport) {
	t.Helper()
	want := health.LoadReport{CPU: pb.CpuUtilization, Memory: pb.MemUtilization, Application: pb.ApplicationUtilization, RPS: pb.RpsFractional, EPS: pb.Eps}
	for _, x := range []*float64{&got.CPU, &got.Memory, &got.Application, &got.RPS, &got.EPS} {
		*x = max(*x, 0)
	}
	if v, ok := pb.NamedMetrics["gpu"]; ok {
		want.Named = []health.NamedMetric{{Name: "gpu", Value: v}}
	}
	if !sameReport(got, want) {
		t.Errorf("got %+v, protobuf %+v", got, want)
	}
}

// FuzzLoadBinary is the same for the wire format, and there what protobuf refuses
// we refuse, but for what is wrong inside the maps that we do not read.
func FuzzLoadBinary(f *testing.F) {
	for _, r := range []*orcapb.OrcaLoadReport{{}, {CpuUtilization: 0.5, Eps: -1, NamedMetrics: map[string]float64{"gpu": 1, "": 0, "x": 2}},
		{Rps: 5, RequestCost: map[string]float64{"a": 1}, Utilization: map[string]float64{"b": 2}, ApplicationUtilization: 2}} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("\x42\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		report, err := read(t, health.LoadBinary, []byte(base64.StdEncoding.EncodeToString(message)))
		var pb orcapb.OrcaLoadReport
		pbErr := proto.Unmarshal(message, &pb)
		switch {
		case pbErr == nil && err == nil:
			compare(t, report, &pb)
		case pbErr == nil && len(message) <= health.MaxLoadReport*3/4-3 && plainNumbers(whatIsRead(&pb)):
			t.Errorf("protobuf reads %v, we say %v", &pb, err)
		case err == nil && proto.Unmarshal(withoutCosts(message), &pb) != nil:
			t.Errorf("protobuf says %v, we read %+v", pbErr, report)
		}
	})
}

// whatIsRead is r without the numbers that nobody asks for.
func whatIsRead(r *orcapb.OrcaLoadReport) *orcapb.OrcaLoadReport {
	r.RequestCost, r.Utilization = nil, nil
	for name := range r.NamedMetrics {
		if name != "gpu" {
			delete(r.NamedMetrics, name)
		}
	}
	return r
}

// withoutCosts leaves out request_cost and utilization of a sound message.
func withoutCosts(message []byte) (rest []byte) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeField(message)
		if n < 0 {
			return append(rest, message...)
		}
		if kind != protowire.BytesType || number != 4 && number != 5 {
			rest = append(rest, message[:n]...)
		}
		message = message[n:]
	}
	return rest
}
