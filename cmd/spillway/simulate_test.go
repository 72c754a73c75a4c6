package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zonesFile has three zones in two regions, the last of them far away.
const zonesFile = `
[proxy]
region = "eu"
zone = "eu-a"
[[zone]]
name = "eu-b"
region = "eu"
rtt = "1ms"
[[zone]]
name = "us-a"
region = "us"
rtt = "90ms"
[[listener]]
listen = ":8080"
service = "web"
[[group]]
name = "eu-a"
region = "eu"
zone = "eu-a"
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
[[group]]
name = "eu-b"
region = "eu"
zone = "eu-b"
endpoints = ["10.0.1.1:80", "10.0.1.2:80"]
[[group]]
name = "us-a"
region = "us"
zone = "us-a"
endpoints = ["10.0.2.1:80", "10.0.2.2:80"]
[[service]]
name = "web"
[service.service_lb_policy]
load_balancing_algorithm = "WATERFALL_BY_ZONE"
[[service.backend]]
group = "eu-a"
balancing_mode = "RATE"
max_rate = 100
[[service.backend]]
group = "eu-b"
balancing_mode = "RATE"
max_rate = 100
[[service.backend]]
group = "us-a"
balancing_mode = "RATE"
max_rate = 100
`

// simulated is what simulate --json prints, as outsiders read it.
type simulated struct {
	Requests, Errors uint64
	Endpoints        []struct {
		Endpoint string
		Requests uint64
		Share    float64
		Recorded *uint64
	}
	Groups []struct {
		Group    string
		Requests uint64
		Share    float64
	}
	Time, Demand []float64
}

func simulateJSON(t *testing.T, args ...string) simulated {
	t.Helper()
	var s simulated
	out := spillway(t, append([]string{"simulate", "--json"}, args...)...).want(t, 0).out
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return s
}

func TestSimulateShowsWhereDemandGoes(t *testing.T) {
	file := write(t, "a.toml", zonesFile)
	spillway(t, "simulate", "-c", file, "--rate", "150", "--duration", "30s").want(t, 0,
		"web: 4500 requests in 30s, 0 errors", "CAPACITY", "eu-b", "10.0.2.2:80", "eu-a to eu-b", "DEMAND", "150.0")
	s := simulateJSON(t, file, "--rate", "150", "--duration", "30s", "--arrivals", "poisson", "--seed", "7")
	var sum float64
	for _, g := range s.Groups {
		sum += g.Share
	}
	if len(s.Endpoints) != 6 || len(s.Groups) != 3 || math.Abs(sum-1) > 1e-9 || len(s.Time) != 30 || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
	if g := s.Groups[2]; g.Group != "us-a" || g.Share > 0.01 {
		t.Errorf("the far region has a part while the near one has room: %+v", g)
	}
}

func TestSimulateFollowsARampAndFailures(t *testing.T) {
	file := write(t, "a.toml", zonesFile)
	s := simulateJSON(t, file, "--ramp", "0:0,10s:100,20s:0")
	if s.Requests != 1000 || len(s.Time) != 20 || s.Demand[9] < 90 {
		t.Errorf("%d requests over %v: %v", s.Requests, s.Time, s.Demand)
	}
	s = simulateJSON(t, file, "--rate", "50", "--fail", "eu-a@0-60s", "--fail", "10.0.1.1:80@10s", "--scaler", "us-a=0.5@1s", "--service-time", "exp:5ms",
		"--service-time", "10.0.1.2:80=1ms", "--service-time", "us-a=50ms", "--cores", "4", "--bucket", "5s")
	if s.Groups[0].Requests != 0 || s.Groups[1].Requests == 0 || s.Errors != 0 || len(s.Time) != 12 {
		t.Errorf("%+v", s)
	}
}

func TestSimulatePlotsWhatItFinds(t *testing.T) {
	file, svg, img := write(t, "a.toml", zonesFile), filepath.Join(t.TempDir(), "a.svg"), filepath.Join(t.TempDir(), "a.PNG")
	spillway(t, "simulate", file, "--ramp", "0:0,30s:450,60s:0", "--plot", svg).want(t, 0)
	b, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", ">demand<", ">us-a<", ">eu-a to eu-b<", "fullness"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the picture has no %s", want)
		}
	}
	spillway(t, "simulate", file, "--rate", "10", "--plot", img).want(t, 0)
	if b, err = os.ReadFile(img); err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(b)); err != nil {
		t.Error(err)
	}
	spillway(t, "simulate", file, "--rate", "10", "--plot", filepath.Join(t.TempDir(), "none", "a.svg")).want(t, 1, "a.svg")
}

// logLine is one of an access log.
func logLine(second float64, service, endpoint, client string) string {
	return fmt.Sprintf(`{"time":"2026-01-02T15:04:%09.6fZ","listener":"in","service":%q,"endpoint":%q,"client":%q,"protocol":"HTTP","method":"GET","host":"x",`+
		`"path":"/","status":200,"bytes_in":0,"bytes_out":2,"attempts":1,"connect":0.000000,"first_byte":0.001000,"total":0.002000,"cause":""}`,
		second, service, endpoint, client)
}

func TestSimulateReplaysAnAccessLog(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, logLine(float64(i)/100, "web", "10.0.0.1:80", fmt.Sprintf("10.9.%d.%d:4711", i/250, i%250)))
	}
	lines = append(lines, logLine(5, "other", "x", "10.9.9.9:1"), `{"time":"2026-01-02T15:04:06Z","lines_dropped":3}`)
	file, log := write(t, "a.toml", zonesFile), write(t, "access.jsonl", lines...)
	s := simulateJSON(t, file, "--log", log)
	if s.Requests != 1000 || s.Endpoints[0].Recorded == nil || *s.Endpoints[0].Recorded != 1000 || *s.Endpoints[1].Recorded != 0 || s.Endpoints[0].Requests > 600 {
		t.Errorf("%+v", s)
	}
	spillway(t, "simulate", file, "--log", log).want(t, 0, "RECORDED", "web: 1000 requests in 9.991s", "3 lines are missing")
}

func TestSimulateSaysWhatALogCannotTell(t *testing.T) {
	file := write(t, "a.toml", `[[listener]]`, `listen = ":80"`, `service = "web"`, `[[service]]`, `name = "web"`, `endpoints = ["a:1", "b:1"]`,
		`session_affinity = "HEADER_FIELD"`, `[service.consistent_hash]`, `http_header_name = "X-User"`)
	log := filepath.Join(t.TempDir(), "access.jsonl")
	text := logLine(1, "web", "a:1", "10.0.0.1:1") + "\n" + logLine(2, "web", "a:1", "10.0.0.1:2") + "\n" + `{"time":"20`
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := spillway(t, "simulate", file, "--log", log).want(t, 0, "neither headers nor cookies", "the last line is not whole", "web: 2 requests")
	if strings.Contains(r.out, "cookies") {
		t.Error("a remark is in standard output")
	}
}

func TestSimulateRefusesWhatMakesNoSense(t *testing.T) {
	file := write(t, "a.toml", zonesFile)
	for args, says := range map[string]string{
		"":                                 "--rate N",
		"--rate 1 --log x":                 "--log and --rate exclude each other",
		"--rate 1 --ramp 0:1":              "--rate and --ramp exclude each other",
		"--log x --duration 3s":            "--duration",
		"--log x --keys 3":                 "--keys",
		"--log=":                           "--log names no file",
		"--rate 0":                         "--rate 0",
		"--rate NaN":                       "--rate NaN",
		"--rate Inf":                       "--rate",
		"--rate x":                         "rate",
		"--rate 1 --duration -1s":          "duration -1s",
		"--rate 1 --duration 9999h":        "duration 9999h",
		"--ramp 0:1,10":                    "--ramp",
		"--ramp 10:1":                      "begins at 10s",
		"--ramp 0:1 --nonsense":            "nonsense",
		"--rate 1 --arrivals late":         "want paced or poisson",
		"--rate 1 --keys 0":                "--keys 0",
		"--rate 1 --cores -1":              "-1 cores",
		"--rate 1 --bucket -1s":            "bucket -1s",
		"--rate 1 --plot a.gif":            ".svg or .png",
		"--rate 1 --service-time 0s":       "service-time",
		"--rate 1 --service-time x=1ms":    `no endpoint or group "x"`,
		"--rate 1 --fail eu-a":             "NAME@10s-20s",
		"--rate 1 --fail eu-a@20s-10s":     "NAME@10s-20s",
		"--rate 1 --fail nobody@1s":        `no endpoint or group "nobody"`,
		"--rate 1 --scaler eu-a=x@1s":      "GROUP=0.5@30s",
		"--rate 1 --scaler eu-a=0.05@1s":   "scaler 0.05",
		"--rate 1 --scaler nowhere=0.5@1s": `no group "nowhere"`,
		"--rate 1 --service none":          `no service "none"; it has web`,
		"--rate 1 another.toml":            "named twice",
	} {
		spillway(t, append([]string{"simulate", "-c", file}, strings.Fields(args)...)...).want(t, 2, says)
	}
	spillway(t, "simulate", "--rate", "1").want(t, 2, "it takes a file")
	spillway(t, "simulate", "testdata/wrong.toml", "--rate", "1").want(t, 3, "testdata/wrong.toml:3: ")
	spillway(t, "simulate", filepath.Join(t.TempDir(), "none.toml"), "--rate", "1").want(t, 3, "none.toml")
}

func TestSimulateNeedsALogOfTheService(t *testing.T) {
	file := write(t, "a.toml", zonesFile)
	spillway(t, "simulate", file, "--log", filepath.Join(t.TempDir(), "none")).want(t, 1, "none")
	spillway(t, "simulate", file, "--log", write(t, "log", logLine(1, "other", "a", "10.0.0.1:1"))).want(t, 1, `no request to service "web"; lines of others: 1`)
	spillway(t, "simulate", file, "--log", write(t, "log", logLine(1, "web", "a", "10.0.0.1:1"), "nonsense")).want(t, 1, "line 2: it is no line")
}

func TestSimulateAsksWhichOfManyServices(t *testing.T) {
	file := write(t, "a.toml", zonesFile, `[[service]]`, `name = "api"`, `endpoints = ["a:1"]`, `[[listener]]`, `listen = ":81"`, `service = "api"`)
	spillway(t, "simulate", file, "--rate", "1").want(t, 2, "say which --service: there are web, api")
	spillway(t, "simulate", file, "--rate", "1", "--service", "api").want(t, 0, "api: 60 requests")
}

func TestSimulateLooksUpWhoIsInAGroup(t *testing.T) {
	members := write(t, "members.json", `{"endpoints": [{"address": "10.0.0.8:80"}, {"address": "10.0.0.9:80"}]}`)
	lines := func(file string) []string {
		return []string{`[[listener]]`, `listen = ":80"`, `service = "web"`, `[[group]]`, `name = "found"`, fmt.Sprintf("file = %q", file),
			`[[service]]`, `name = "web"`, `[[service.backend]]`, `group = "found"`}
	}
	s := simulateJSON(t, write(t, "a.toml", lines(members)...), "--rate", "10")
	if len(s.Endpoints) != 2 || s.Endpoints[1].Endpoint != "10.0.0.9:80" || s.Endpoints[1].Requests != 300 {
		t.Errorf("%+v", s.Endpoints)
	}
	r := spillway(t, "simulate", write(t, "b.toml", lines(members+".none")...), "--rate", "10").want(t, 0, "600 errors")
	if !strings.Contains(r.err, "found") {
		t.Errorf("nothing says which group: %q", r.err)
	}
}
