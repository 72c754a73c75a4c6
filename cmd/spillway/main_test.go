package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestWithoutAVerbUsageIsShown(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{{nil, 2}, {[]string{"help"}, 0}, {[]string{"--help"}, 0}, {[]string{"-h"}, 0}} {
		r := spillway(t, c.args...).want(t, c.code, "usage: spillway VERB")
		for _, v := range verbs() {
			if !strings.Contains(r.out+r.err, "  "+v.name+" ") {
				t.Errorf("%q does not mention %s", c.args, v.name)
			}
		}
	}
}

func TestAMisspelledVerbIsGuessed(t *testing.T) {
	for wrong, right := range map[string]string{"chekc": "check", "statsu": "status", "Run": "run", "dmo": "demo", "relaod": "reload"} {
		spillway(t, wrong).want(t, 2, "did you mean "+right+"?")
	}
	r := spillway(t, "quux").want(t, 2, `there is no "quux"`, "demo, run, check")
	if strings.Contains(r.err, "did you mean") {
		t.Errorf("a guess out of the blue: %s", r.err)
	}
}

func TestEveryVerbHasHelp(t *testing.T) {
	for _, v := range verbs() {
		for _, args := range [][]string{{v.name, "-h"}, {v.name, "--help"}, {"help", v.name}} {
			r := spillway(t, args...).want(t, 0, "usage: spillway "+v.name, v.does)
			if r.err != "" {
				t.Errorf("%v: help went to standard error: %s", args, r.err)
			}
		}
	}
}

func TestWrongUsageIsExitCode2(t *testing.T) {
	for _, line := range []string{
		"check", "check a b", "check -c a b", "check a --nope", "check a --print --json",
		"run", "run a b", "run -c a b", "run a --to b:1", "run --listen :1", "run --to a:1", "run --policy MAGLEV",
		"run --listen 127.0.0.1:0 --to a:1 --policy NOPE", "run --listen 127.0.0.1:0 --to http://a", "run --listen x --to a:1",
		"status a b", "status --admin nonsense", "drain", "drain a b c", "drain a --timeout 1s", "drain a --wait --timeout -1s", "drain a --group b --now", "ready", "ready a --scaler 1", "reload x", "upgrade x", "version x",
		"plan", "plan a", "plan a b c", "plan a b --max-moved much", "plan a b --max-moved 5", "plan a b --max-moved=-1%", "plan a b --service x",
		"demo x", "demo --duration soon", "demo --duration -1s", "demo --policy NOPE",
	} {
		r := spillway(t, strings.Fields(line)...)
		if r.code != 2 || !strings.Contains(r.err, "-h says what it takes") {
			t.Errorf("spillway %s: exit code %d, stderr %q", line, r.code, r.err)
		}
	}
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	file := write(t, "a.toml", `[[listener]]`, `listen = ":8080"`, `service = "web"`, `[[service]]`, `name = "web"`, `endpoints = ["10.0.0.1:80"]`)
	for _, args := range [][]string{
		{"check", "--json", file}, {"check", file, "--json"}, {"check", "-c", file, "--json"}, {"check", "--json", "-c=" + file},
		{"check", "--json", "--", file},
	} {
		r := spillway(t, args...).want(t, 0)
		if !json.Valid([]byte(r.out)) {
			t.Errorf("%v: %q", args, r.out)
		}
	}
	// After "--" nothing is a flag.
	spillway(t, "check", "--", file, "--json").want(t, 2, "--json")
}

func TestVersionSaysWhatThisIs(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		spillway(t, args...).want(t, 0, "spillway ", runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	}
	var b build
	if err := json.Unmarshal([]byte(spillway(t, "version", "--json").want(t, 0).out), &b); err != nil || b.Go != runtime.Version() || b.Version == "" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestARevisionIsShownShort(t *testing.T) {
	b := build{Version: "v1.2.3", Revision: "0123456789abcdef", Time: "2026-01-02T03:04:05Z", Modified: true, Go: "go1.26.0", OS: "linux", Arch: "amd64"}
	if got, want := b.String(), "spillway v1.2.3 (0123456789ab 2026-01-02T03:04:05Z modified) go1.26.0 linux/amd64"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATableAlignsWordsLeftAndNumbersRight(t *testing.T) {
	var tab table
	tab.row("NAME", "", right("N"), "LAST")
	tab.row("é", "", 7, "x")
	tab.row("longer", "", 1234, cell{text: "\x1b[31m██\x1b[0m", unseen: len("\x1b[31m\x1b[0m")})
	want := "" +
		"NAME       N  LAST\n" +
		"é          7  x\n" +
		"longer  1234  \x1b[31m██\x1b[0m\n"
	if got := tab.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The table against the definition.
func FuzzDistance(f *testing.F) {
	for _, s := range [][2]string{{"", ""}, {"check", "chekc"}, {"run", ""}, {"kitten", "sitting"}, {"ca", "abc"}} {
		f.Add(s[0], s[1])
	}
	var dumb func(a, b string) int
	dumb = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		change := 1
		if a[0] == b[0] {
			change = 0
		}
		d := min(1+dumb(a[1:], b), 1+dumb(a, b[1:]), change+dumb(a[1:], b[1:]))
		if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
			d = min(d, 1+dumb(a[2:], b[2:]))
		}
		return d
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = a[:min(len(a), 6)], b[:min(len(b), 6)]
		if got, want := distance(a, b), dumb(a, b); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}

func TestTheUsageTextFitsATerminal(t *testing.T) {
	for line := range strings.Lines(usage()) {
		if len(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
}

// Scripts rely on the verbs: none may be forgotten.
func TestEveryVerbOfTheContractIsKnown(t *testing.T) {
	var have []string
	for _, v := range verbs() {
		have = append(have, v.name)
	}
	for _, want := range []string{"demo", "run", "check", "explain", "simulate", "doctor", "status", "drain", "ready", "reload", "upgrade", "version"} {
		if !slices.Contains(have, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func Example() {
	c := &console{out: os.Stdout, err: os.Stdout}
	fmt.Println("exit code", c.run([]string{"check", "testdata/wrong.toml"}))
	// Output:
	// testdata/wrong.toml:3: listener.lisen: unknown key; did you mean listen?
	// testdata/wrong.toml:4: listener.service: no service is named "wep"; did you mean "web"?
	// testdata/wrong.toml:8: service.endpoints: "http://10.0.0.1" is a URL: write host:port, without "http://"
	// testdata/wrong.toml:9: service.locality_lb_policy: "MAGLEFF" is not one of ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV, WEIGHTED_MAGLEV, WEIGHTED_ROUND_ROBIN, ORIGINAL_DESTINATION; did you mean MAGLEV?
	// exit code 3
}
