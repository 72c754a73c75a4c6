package health_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/health"
)

var update = flag.Bool("update", false, "rewrite testdata from what the machine does")

// TestMachineFollowsItsScripts plays testdata/*.txt. A line is "results → statuses": the results of checks in order,
// and the status after each. "rise N" and "fall N" set the thresholds; each line starts a machine of its own.
func TestMachineFollowsItsScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := playScript(t, string(script))
			if played == string(script) {
				return
			}
			if !*update {
				t.Errorf("the script says\n%s\nthe machine does\n%s", script, played)
			} else if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// playScript returns the script with what the machine does on the right of each arrow.
func playScript(t *testing.T, script string) string {
	t.Helper()
	var check health.Check
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		left, _, isCase := strings.Cut(line, "→")
		words := strings.Fields(line)
		switch {
		case isCase:
			left = strings.TrimRight(left, " ")
			line = left + " → " + playLine(t, check, strings.Fields(left))
		case len(words) == 2 && words[0] == "rise":
			check.HealthyThreshold = number(t, words[1])
		case len(words) == 2 && words[0] == "fall":
			check.UnhealthyThreshold = number(t, words[1])
		case line != "" && line[0] != '#':
			t.Fatalf("what is %q?", line)
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// playLine feeds the results to a new machine and says the status after each; a repeated one as ".".
func playLine(t *testing.T, check health.Check, results []string) string {
	t.Helper()
	m := health.NewMachine(check)
	said := make([]string, 0, len(results))
	for _, word := range results {
		before := m.Status()
		changed := m.Apply(result(t, word))
		if changed != (m.Status() != before) {
			t.Errorf("%v: Apply(%s) said changed %v from %v to %v", results, word, changed, before, m.Status())
		}
		if changed {
			said = append(said, m.Status().String())
		} else {
			said = append(said, ".")
		}
	}
	last := m.Status().String()
	if reason := m.Reason(); reason != "" {
		last += " (" + reason + ")"
	}
	return strings.Join(said, " ") + " = " + last
}

func result(t *testing.T, word string) health.Result {
	t.Helper()
	switch word {
	case "ok":
		return health.Result{OK: true}
	case "fail":
		return health.Result{Reason: "connection refused"}
	case "timeout":
		return health.Result{Timeout: true, Reason: "timeout after 5s"}
	case "ours":
		return health.Result{Inconclusive: true, Reason: "too many open files"}
	}
	t.Fatalf("what is %q?", word)
	return health.Result{}
}

// TestMachineAgreesWithTheDumbOne plays random results to the machine and to a function that looks at the whole
// history each time, as the table of spec.md §8.3 reads.
func TestMachineAgreesWithTheDumbOne(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		check := health.Check{HealthyThreshold: 1 + rng.IntN(4), UnhealthyThreshold: 1 + rng.IntN(4)}
		m := health.NewMachine(check)
		var history []health.Result
		status := health.Unknown
		for range 40 {
			r := []health.Result{{OK: true}, {Reason: "refused"}, {Timeout: true, Reason: "silent"}, {Inconclusive: true, Reason: "ours"}}[rng.IntN(4)]
			if !r.Inconclusive {
				history = append(history, r)
			}
			status = dumbStatus(status, history, check)
			m.Apply(r)
			if m.Status() != status {
				t.Fatalf("seed %d, thresholds %d/%d, after %+v: %v, want %v", seed, check.HealthyThreshold, check.UnhealthyThreshold, history, m.Status(), status)
			}
			if want := streak(history, true) - streak(history, false); m.Streak() != want {
				t.Fatalf("seed %d: streak %d, want %d", seed, m.Streak(), want)
			}
		}
	}
}

func dumbStatus(status health.Status, history []health.Result, c health.Check) health.Status {
	switch {
	case len(history) == 0:
	case status == health.Unknown && streak(history, true) > 0, streak(history, true) >= c.HealthyThreshold:
		return health.Healthy
	case (status == health.Unknown || status == health.Healthy) && streak(history, false) >= c.UnhealthyThreshold:
		if history[len(history)-1].Timeout {
			return health.Timeout
		}
		return health.Unhealthy
	}
	return status
}

// streak counts the results at the end of the history that are as ok says.
func streak(history []health.Result, ok bool) (n int) {
	for i := len(history) - 1; i >= 0 && history[i].OK == ok; i-- {
		n++
	}
	return n
}

func TestStatusesHaveTheNamesOfTheAPI(t *testing.T) {
	got := fmt.Sprint(health.Unknown, health.Healthy, health.Unhealthy, health.Timeout, health.Draining, health.Status(9))
	if want := "UNKNOWN HEALTHY UNHEALTHY TIMEOUT DRAINING Status(9)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
