package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var planFile = []string{
	`[proxy]`,
	`region = "eu"`,
	`[[group]]`,
	`name = "near"`,
	`region = "eu"`,
	`endpoints = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]`,
	`[[group]]`,
	`name = "far"`,
	`region = "us"`,
	`endpoints = ["10.1.0.1:80"]`,
	`[[listener]]`,
	`name = "in"`,
	`listen  = ":8080"`,
	`service = "plain"`,
	`[[service]]`,
	`name = "plain"`,
	`endpoints = ["10.2.0.1:80", "10.2.0.2:80"]`,
	`[[service]]`,
	`name = "web"`,
	`session_affinity = "HEADER_FIELD"`,
	`[service.consistent_hash]`,
	`http_header_name = "X-User"`,
	`maglev_table_size = 101`,
	`[[service.backend]]`,
	`group = "near"`,
	`[[service.backend]]`,
	`group = "far"`,
}

// changed writes planFile with each old text in place of a new one.
func changed(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text := strings.Join(planFile, "\n")
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the file has no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return write(t, name, text)
}

func TestPlanSaysWhatChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"nothing": {[]string{`"10.0.0.1:80", "10.0.0.2:80"`, `"10.0.0.2:80", "10.0.0.1:80"`}, `
nothing changes
`},
		"endpoints": {[]string{`, "10.0.0.3:80"`, `, { address = "10.0.0.9:80", id = "new" }`, `"10.2.0.2:80"`, `{ address = "10.2.0.2:80", weight = 3 }`}, `
service plain
  moved    0 % of the keys: ROUND_ROBIN keeps no client on an endpoint
  changes  10.2.0.2:80: weight 1 → 3

service web
  moved  42.5743 % of the keys
  gains  new at 10.0.0.9:80 in near, which gets 24.8 %
  loses  10.0.0.3:80 in near, which had 24.8 %

a reload is enough
`},
		"settings and listeners": {[]string{`[proxy]`, "[log]\nlevel = \"debug\"\n[proxy]", `name = "plain"`, "name = \"plain\"\ntimeout = \"7s\"", `listen  = ":8080"`, `listen  = ":8081"`}, `
service plain
  moved     0 % of the keys: ROUND_ROBIN keeps no client on an endpoint
  settings  timeout

1 other service: no change
listener in moves from :8080 to :8081, and its connections drain
other settings: log.level
a reload is enough
`},
		"a seed and an engine": {[]string{`[proxy]`, "[proxy]\nhash_seed = 1\nengine = \"stream\"\ndrain_timeout = \"1s\""}, `
service web
  moved  74.9926 % of the keys: hash_seed changes: all keys are hashed anew

1 other service: no change
other settings: proxy.drain_timeout, proxy.engine, proxy.hash_seed
a reload refuses this, a restart is needed:
  proxy.engine: cannot change without a restart
  proxy.drain_timeout: cannot change without a restart
`},
		"a service": {[]string{`name = "web"`, `name = "shop"`}, `
service shop (new)
  gains  10.0.0.1:80 in near, which gets 25.7 %
  gains  10.0.0.2:80 in near, which gets 24.8 %
  gains  10.0.0.3:80 in near, which gets 24.8 %
  gains  10.1.0.1:80 in far, which gets 24.8 %

service web (gone)
  moved  100 % of the keys: the service goes
  loses  10.0.0.1:80 in near, which had 25.7 %
  loses  10.0.0.2:80 in near, which had 24.8 %
  loses  10.0.0.3:80 in near, which had 24.8 %
  loses  10.1.0.1:80 in far, which had 24.8 %

1 other service: no change
a reload is enough
`},
		"capacities": {[]string{
			`group = "near"`, "group = \"near\"\nbalancing_mode = \"RATE\"\nmax_rate_per_endpoint = 100",
			`group = "far"`, "group = \"far\"\nbalancing_mode = \"RATE\"\nmax_rate = 50",
		}, `
service web
  moved     27.7228 % of the keys
  tier 0    none → 300 requests/s (near 300)
  tier 1    none → 50 requests/s (far 50)
  settings  service_lb_policy, backend

1 other service: no change
a reload is enough
`},
	} {
		t.Run(name, func(t *testing.T) {
			r := spillway(t, "plan", changed(t, "old.toml"), changed(t, "new.toml", c.change...)).want(t, 0)
			if want := strings.TrimPrefix(c.want, "\n"); r.out != want || r.err != "" {
				t.Errorf("it says:\n%s%s\nwant:\n%s", r.out, r.err, want)
			}
		})
	}
}

// Both files have targets; groups get bigger, change tiers, and are drained.
func TestPlanComparesTiers(t *testing.T) {
	targets := []string{
		`group = "near"`, "group = \"near\"\nbalancing_mode = \"RATE\"\nmax_rate_per_endpoint = 100",
		`group = "far"`, "group = \"far\"\nbalancing_mode = \"UTILIZATION\"",
	}
	old := changed(t, "old.toml", targets...)
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"an endpoint less": {append([]string{`"10.0.0.2:80", `, ``}, targets...), `
service web
  moved   MOVED of the keys
  loses   10.0.0.2:80 in near, which had 33.7 %
  tier 0  300 requests/s (near 300) → 200 requests/s (near 200)
  tier 1  by reports (far by reports)
`},
		"a group drained": {append(slices.Clone(targets), `max_rate_per_endpoint = 100`, "max_rate_per_endpoint = 100\ncapacity_scaler = 0"), `
service web
  moved     100 % of the keys
  tier 0    300 requests/s (near 300) → by reports (far by reports)
  tier 1    by reports (far by reports) → none
  settings  backend
`},
		"one tier": {append(slices.Clone(targets), `[[service.backend]]`, "[service.service_lb_policy]\nload_balancing_algorithm = \"SPRAY_TO_WORLD\"\n[[service.backend]]"), `
service web
  moved     MOVED of the keys
  tier 0    300 requests/s (near 300) → 300 requests/s (far by reports, near 300)
  tier 1    by reports (far by reports) → none
  settings  service_lb_policy.load_balancing_algorithm
`},
	} {
		t.Run(name, func(t *testing.T) {
			r := spillway(t, "plan", old, changed(t, "new.toml", c.change...)).want(t, 0)
			_, moved, _ := strings.Cut(r.out, "moved")
			moved, _, _ = strings.Cut(strings.TrimSpace(moved), " of the keys")
			want := strings.Replace(strings.TrimPrefix(c.want, "\n"), "MOVED", moved, 1)
			if !strings.HasPrefix(r.out, want) || moved == "0 %" {
				t.Errorf("it says:\n%s%s\nwant:\n%s", r.out, r.err, want)
			}
		})
	}
}

func TestPlanIsAGate(t *testing.T) {
	old, grown := changed(t, "old.toml"), changed(t, "new.toml", `"10.0.0.3:80"`, `"10.0.0.3:80", "10.0.0.4:80"`)
	// One of five comes: a fifth of the keys at least.
	for limit, code := range map[string]int{"0": 4, "5%": 4, "0.05": 4, "19.9 %": 4, "50%": 0, "1": 0, "100%": 0} {
		r := spillway(t, "plan", old, grown, "--max-moved", limit).want(t, code)
		if says := strings.Contains(r.err, "of the keys move: web ("); says != (code == 4) {
			t.Errorf("--max-moved %s: %q", limit, r.err)
		}
		if !strings.Contains(r.out, "10.0.0.4:80") {
			t.Errorf("--max-moved %s does not print the plan: %q", limit, r.out)
		}
	}
	spillway(t, "plan", old, old, "--max-moved", "0").want(t, 0)
	spillway(t, "plan", old, old, "--max-moved", "5").want(t, 2, "is it 5%?")
	if r := spillway(t, "plan", old, old, "--max-moved", "101%").want(t, 2, "more than everything"); strings.Contains(r.err, "%%") {
		t.Errorf("it asks for a percentage of percents: %q", r.err)
	}
}

func TestPlanPrintsJSON(t *testing.T) {
	old, shrunk := changed(t, "old.toml"), changed(t, "new.toml", `, "10.0.0.3:80"`, ``)
	var p struct {
		Services []struct {
			Name  string
			Moved float64
			Lost  []struct{ ID string }
		}
		Traced *struct{ Keys, Moved int }
	}
	out := spillway(t, "plan", "--json", old, shrunk, "--max-moved", "0").want(t, 4).out
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(p.Services) != 2 || p.Services[1].Name != "web" || p.Services[1].Moved < .25 || p.Services[1].Moved > .5 || len(p.Services[1].Lost) != 1 || p.Traced != nil {
		t.Errorf("%+v", p)
	}
	for _, empty := range []string{`"listeners": []`, `"settings": []`, `"restart": []`, `"gained": []`, `"before": []`} {
		if !strings.Contains(out, empty) {
			t.Errorf("no %s in %s", empty, out)
		}
	}
	keys := write(t, "keys", "anna", "bert", "cleo", "dora", "emil", "fred", "gina", "hans", "inge", "jens", "karl", "lena")
	out = spillway(t, "plan", "--json", old, shrunk, "--keys", keys).want(t, 0).out
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Traced == nil || p.Traced.Keys != 12 || p.Traced.Moved == 0 || p.Traced.Moved == 12 {
		t.Errorf("%v in %s", err, out)
	}
}

func TestPlanNamesTheKeysThatMove(t *testing.T) {
	old, shrunk := changed(t, "old.toml"), changed(t, "new.toml", `"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"`, `"10.0.0.1:80"`)
	keys := write(t, "keys", "anna", "bert", "cleo", "dora", "emil", "fred")
	r := spillway(t, "plan", old, shrunk, "--keys", keys, "--service", "web").want(t, 0, "of 6 keys of service web move\n", " → 10.")
	if strings.Contains(r.out, "→ 10.0.0.3:80") {
		t.Errorf("a key goes to who has gone: %s", r.out)
	}
	spillway(t, "plan", old, shrunk, "--keys", keys, "--service", "plain").want(t, 1, "--keys "+keys+": service \"plain\": the old file's policy, ROUND_ROBIN, does not go by keys")
	spillway(t, "plan", old, shrunk, "--keys", filepath.Join(t.TempDir(), "none")).want(t, 2, "--keys", "no such file")
}

func TestPlanOfABadFileNamesItsPlace(t *testing.T) {
	good := changed(t, "good.toml")
	const bad = "testdata/wrong.toml"
	spillway(t, "plan", good, bad).want(t, 3, bad+":3: ")
	spillway(t, "plan", bad, good).want(t, 3, bad+":3: ")
	other := changed(t, "other.toml", `name = "web"`, `nmae = "web"`)
	spillway(t, "plan", bad, other).want(t, 3, bad+":3: ", other+":")
	if r := spillway(t, "plan", bad, bad).want(t, 3); strings.Count(r.err, bad+":3: ") != 1 {
		t.Errorf("the same problem twice: %s", r.err)
	}
	spillway(t, "plan", good, filepath.Join(t.TempDir(), "none.toml")).want(t, 3, "none.toml")
}

func FuzzParsePart(f *testing.F) {
	for _, seed := range []string{"", "5%", "5 %", "0.05", "-1", "1e400", "NaN", "Inf%", "%", "0x1p-2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		part, err := parsePart(text)
		var usage usageError
		switch {
		case err != nil && !errors.As(err, &usage):
			t.Errorf("%q: %v is no wrong usage", text, err)
		case err == nil && !(part >= 0 && part <= 1):
			t.Errorf("%q is %v", text, part)
		}
	})
}

func TestPlanCountsStrongSessions(t *testing.T) {
	file := func(name string, endpoints string) string {
		return write(t, name, `[[listener]]`, `listen = "127.0.0.1:0"`, `service = "web"`, `[[service]]`, `name = "web"`,
			`session_affinity = "STRONG_COOKIE_AFFINITY"`, `endpoints = [`+endpoints+`]`)
	}
	four, three := file("a.toml", `"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"`), file("b.toml", `"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"`)
	spillway(t, "plan", four, three).want(t, 0, `sessions  25 % of the strong sessions lose their endpoint: their endpoints go`)
	spillway(t, "plan", four, three, "--max-moved", "20%").want(t, 4)
	spillway(t, "plan", three, four, "--max-moved", "0").want(t, 0, `sessions  0 % of the strong sessions`)
}
