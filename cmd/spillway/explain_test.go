package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// hashed writes a file with a service whose key is a header.
func hashed(t *testing.T, more ...string) string {
	return write(t, "a.toml", append([]string{
		`[admin]`, `listen = "127.0.0.1:0"`,
		`[[listener]]`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `session_affinity = "HEADER_FIELD"`, `consistent_hash = { http_header_name = "X-User" }`,
		`endpoints = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]`,
	}, more...)...)
}

// The keys are a contract.
func TestExplainPrintsTheContractsJSON(t *testing.T) {
	r := spillway(t, "explain", "-c", hashed(t), "--service", "web", "--header", "X-User: alice", "--json").want(t, 0)
	var v map[string]any
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"service", "group", "endpoint", "policy", "key", "reason"} {
		if _, ok := v[key].(string); !ok {
			t.Errorf("%s is %v", key, v[key])
		}
	}
	all, _ := v["candidates"].([]any)
	if len(all) != 3 {
		t.Fatalf("candidates %v", v["candidates"])
	}
	for _, c := range all {
		c := c.(map[string]any)
		if c["dropped"] != "" || !strings.HasPrefix(c["endpoint"].(string), "10.0.0.") {
			t.Errorf("candidate %v", c)
		}
	}
	if v["service"] != "web" || v["policy"] != "MAGLEV" || v["endpoint"] == "" || v["key"] == "" || v["reason"] == "" {
		t.Errorf("got %s", r.out)
	}
}

func TestExplainGivesTheSameKeyTheSameEndpoint(t *testing.T) {
	file, met := hashed(t), make(map[string]bool)
	for _, user := range []string{"alice", "bob", "carol", "dave", "eve", "frank"} {
		first := ""
		for range 3 {
			r := spillway(t, "explain", "-c", file, "--header", "x-user:"+user).want(t, 0, "of the header X-User", "MAGLEV gives the key to it")
			line, _, _ := strings.Cut(r.out, "\n")
			if first == "" {
				first = line
			}
			if line != first {
				t.Errorf("%s: first %s, then %s", user, first, line)
			}
		}
		met[first] = true
	}
	if len(met) < 2 {
		t.Errorf("all users get %v", met)
	}
}

func TestExplainSaysWhyThereIsNoKey(t *testing.T) {
	spillway(t, "explain", "-c", hashed(t)).want(t, 0, "no key: the request has no header X-User", "at random")
	file := write(t, "b.toml", `[[listener]]`, `listen = ":8080"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `session_affinity = "CLIENT_IP"`, `endpoints = ["10.0.0.1:80"]`)
	spillway(t, "explain", "-c", file).want(t, 0, "say it with --client")
	spillway(t, "explain", "-c", file, "--client", "192.0.2.1").want(t, 0, "say it with --destination")
	if r := spillway(t, "explain", "-c", file, "--client", "192.0.2.1", "--destination", "192.0.2.9").want(t, 0); strings.Contains(r.out, "note") {
		t.Errorf("everything was said:\n%s", r.out)
	}
}

func TestExplainSaysWhenNobodyCanBeHad(t *testing.T) {
	file := hashed(t)
	args := []string{"explain", "-c", file, "--avoid", "10.0.0.1:80", "--avoid", "10.0.0.2:80"}
	spillway(t, args...).want(t, 0, "web: 10.0.0.3:80", "AVOIDED", "<- chosen")
	args = append(args, "--avoid", "10.0.0.3:80")
	spillway(t, args...).want(t, 4, "nobody can be had: 3 AVOIDED")
	r := spillway(t, append(args, "--json")...).want(t, 4)
	var v struct{ Endpoint, Reason string }
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.Endpoint != "" || v.Reason == "" {
		t.Errorf("%v: %s", err, r.out)
	}
}

func TestExplainTakesTheFileWithoutAFlagToo(t *testing.T) {
	file := hashed(t)
	spillway(t, "explain", file, "--header", "X-User: alice").want(t, 0, "of the header X-User")
	spillway(t, "explain", "--header", "X-User: alice", file).want(t, 0, "of the header X-User")
}

// Else a typing error would look like an answer.
func TestExplainSaysThatNobodyHasTheIDToAvoid(t *testing.T) {
	spillway(t, "explain", "-c", hashed(t), "--avoid", "10.0.0.1").want(t, 0, `no endpoint has the ID "10.0.0.1"`)
}

func TestExplainShowsGroupsAsTheyAreFilled(t *testing.T) {
	file := write(t, "a.toml", `[proxy]`, `region = "eu"`, `zone = "far"`, `[[listener]]`, `listen = ":8080"`, `service = "web"`,
		`[[group]]`, `name = "a"`, `region = "us"`, `zone = "near"`, `endpoints = ["10.0.0.1:80", "10.0.0.3:80"]`,
		`[[group]]`, `name = "b"`, `region = "eu"`, `zone = "far"`, `endpoints = ["10.0.0.2:80", "10.0.0.4:80"]`,
		`[[service]]`, `name = "web"`,
		`[[service.backend]]`, `group = "a"`, `balancing_mode = "RATE"`, `max_rate = 10`,
		`[[service.backend]]`, `group = "b"`, `balancing_mode = "RATE"`, `max_rate = 10`)
	out := spillway(t, "explain", file).want(t, 0).out
	_, table, _ := strings.Cut(out, "GROUP  ENDPOINT")
	r := spillway(t, "explain", file, "--avoid", "10.0.0.2:80", "--avoid", "10.0.0.4:80").want(t, 0, "AVOIDED", "web: 10.0.0.")
	if !regexp.MustCompile(`(?m)^ +0 +b .* NOBODY$`).MatchString(r.out) {
		t.Errorf("group b looks as if it had somebody:\n%s", r.out)
	}
	last := -1
	for _, ep := range []string{"10.0.0.2:80", "10.0.0.4:80", "10.0.0.1:80", "10.0.0.3:80"} {
		at := strings.Index(table, ep)
		if at <= last {
			t.Fatalf("%s is not in its place:\n%s", ep, out)
		}
		last = at
	}
}

func TestExplainAsksTheRunningProxy(t *testing.T) {
	file := hashed(t)
	a := proxy(t, file)
	addr := a.ListenAddr("admin").String()
	ask := func(code int, says ...string) string {
		t.Helper()
		return spillway(t, "explain", "--admin", addr, "--header", "X-User: alice").want(t, code, says...).out
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(ask(0), "web: "), "\n")
	spillway(t, "drain", "web", first, "--admin", addr).want(t, 0)
	if out := ask(0, "DRAIN"); strings.HasPrefix(out, "web: "+first) {
		t.Errorf("a drained endpoint is chosen:\n%s", out)
	}
	for _, other := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		spillway(t, "drain", "web", other, "--admin", addr).want(t, 0)
	}
	ask(4, "nobody can be had: 3 DRAIN")
	spillway(t, "explain", "--admin", addr, "--service", "nope").want(t, 1, `no service is named "nope"`)
	spillway(t, "explain", "--admin", testkit.FreeAddr(t), "--service", "web").want(t, 5)
}

func TestExplainRefusesWhatItDoesNotUnderstand(t *testing.T) {
	file := hashed(t)
	for _, args := range [][]string{
		{}, {"-c", file, "extra"}, {"-c", file, "--service", "nope"}, {"-c", file, "--client", "example.com"}, {"-c", file, "--client", "1.2.3.4:99999"},
		{"-c", file, "--header", "no colon"}, {"-c", file, "--header", ": x"}, {"-c", file, "--cookie", "sid"}, {"-c", file, "--cookie", "=1"}, {"-c", file, "--destination", ""},
	} {
		spillway(t, append([]string{"explain"}, args...)...).want(t, 2)
	}
	spillway(t, "explain", "-c", write(t, "bad.toml", "x = 1")).want(t, 3)
	two := write(t, "two.toml", `[[listener]]`, `listen = "127.0.0.1:0"`, `service = "a"`,
		`[[service]]`, `name = "a"`, `endpoints = ["10.0.0.1:80"]`, `[[service]]`, `name = "b"`, `endpoints = ["10.0.0.1:80"]`)
	spillway(t, "explain", "-c", two).want(t, 2, "say which --service", "a, b")
}
