package main

import (
	"encoding/json"
	"math"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// demoUntil runs the demo until its output has a text, and then interrupts it.
func demoUntil(t *testing.T, text string, args ...string) result {
	t.Helper()
	signals := make(chan os.Signal, 1)
	var once sync.Once
	out := &lockedBuffer{onWrite: func(sofar string) {
		if strings.Contains(sofar, text) {
			once.Do(func() { signals <- os.Interrupt })
		}
	}}
	return spillwayWith(t, signals, out, append([]string{"demo"}, args...)...)
}

func TestTheDemoShowsWhatItPromises(t *testing.T) {
	t.Parallel()
	r := demoUntil(t, "Ctrl-C ends.").want(t, 0,
		"red", "green", "blue", "green is killed", "the health check has noticed: ", "green is back", "Try it", "curl http://127.0.0.1:", "spillway status")
	for _, p := range append([]string{"tcp +ROUND_ROBIN"}, demoPolicies...) {
		line := regexp.MustCompile(`(?m)^.* ` + p + ` +[0-9.]+ % +[0-9.]+ % +[0-9.]+ % +0 +[█▓░]{12}`)
		if !line.MatchString(r.out) {
			t.Errorf("no line of shares for %s", p)
		}
	}
	if !strings.Contains(r.out, "33.3 % is expected of each") {
		t.Error("nothing says what share is expected")
	}
	for line := range strings.Lines(r.out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns do not fit into a terminal: %s", n, line)
		}
	}
	if !regexp.MustCompile(`\d+ requests meanwhile, \d+ failed`).MatchString(r.out) {
		t.Error("nothing says what happened to requests")
	}
	if t.Failed() {
		t.Log(r.out)
	}
}

func TestTheDemosFindingsAreTrue(t *testing.T) {
	t.Parallel()
	r := demoUntil(t, "}\n", "--json", "--policy", "maglev").want(t, 0)
	var f demoFound
	if err := json.Unmarshal([]byte(r.out), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Shares) != 2 || f.Shares[0].Policy != "MAGLEV" || f.Shares[0].Listener != "http" || f.Shares[1].Listener != "tcp" {
		t.Fatalf("%+v", f.Shares)
	}
	for _, s := range f.Shares {
		sum := 0.0
		for _, e := range s.Endpoints {
			sum += e.Actual
			// Keys are many and the table is even: 6 standard deviations of
			// 150 picks with one in three.
			if math.Abs(e.Actual-e.Expected) > 0.24 || math.Abs(e.Expected-1.0/3) > 1e-9 {
				t.Errorf("%s: %s got %v of %v", s.Listener, e.Endpoint, e.Actual, e.Expected)
			}
		}
		if math.Abs(sum-1) > 1e-9 || s.Failed != 0 || len(s.Endpoints) != 3 {
			t.Errorf("%+v", s)
		}
	}
	if n := f.Shares[0].UserEndpoints; n != 1 {
		t.Errorf("by MAGLEV, one user met %d endpoints", n)
	}
	o := f.Failover
	if o.Endpoint != "green" || o.Reason == "" || o.Requests == 0 || !(0 < o.Noticed && o.Noticed < o.Revived && o.Revived < o.Recovered) {
		t.Errorf("%+v", o)
	}
}

func TestTheDemoEndsInTimeWithExitCode0(t *testing.T) {
	t.Parallel()
	for _, d := range []string{"1ms", "50ms", "400ms"} {
		spillway(t, "demo", "--duration", d).want(t, 0)
	}
}

// Not beside others: a demo that has the port when this test asks for it, and has ended
// when its own demo does, would leave it to that.
func TestTheDemoWorksWhereItsPortIsTaken(t *testing.T) {
	if l, err := net.Listen("tcp", defaultAdmin); err == nil { // else it is taken anyway
		defer l.Close()
	}
	demoUntil(t, "Ctrl-C ends.", "--policy", "RANDOM").want(t, 0, "spillway status --admin 127.0.0.1:")
}

func TestAPolicyThatDoesNotExistIsGuessed(t *testing.T) {
	spillway(t, "demo", "--policy", "magleff").want(t, 2, "did you mean MAGLEV?")
	spillway(t, "demo", "--policy", "X").want(t, 2, "ROUND_ROBIN, LEAST_REQUEST")
}

func TestColoursTakeNoRoom(t *testing.T) {
	parts := []demoEndpointPart{{Actual: 0.5}, {Actual: 0.25}, {Actual: 0.25}}
	plain, painted := (&demoReport{}).bar(parts), (&demoReport{colour: true}).bar(parts)
	if plain.width() != 12 || painted.width() != 12 || painted.unseen == 0 {
		t.Errorf("widths %d and %d", plain.width(), painted.width())
	}
}
