package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/plot"
)

var (
	liveFor  = flag.Duration("live", 8*time.Second, "how long the day of the live waterfall is")
	livePlot = flag.String("live-plot", "", "write the live waterfall to this file, .svg or .png")
)

const waterfallFile = `
[log]
access = %q
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
[[group]]
name = "eu-a"
region = "eu"
zone = "eu-a"
endpoints = [{ id = "eu-a/1", address = %q }, { id = "eu-a/2", address = %q }]
[[group]]
name = "eu-b"
region = "eu"
zone = "eu-b"
endpoints = [{ id = "eu-b/1", address = %q }, { id = "eu-b/2", address = %q }]
[[group]]
name = "us-a"
region = "us"
zone = "us-a"
endpoints = [{ id = "us-a/1", address = %q }, { id = "us-a/2", address = %q }]
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
[service.service_lb_policy]
load_balancing_algorithm = "WATERFALL_BY_ZONE"
[[service.backend]]
group = "eu-a"
balancing_mode = "RATE"
max_rate = 200
[[service.backend]]
group = "eu-b"
balancing_mode = "RATE"
max_rate_per_endpoint = 100
[[service.backend]]
group = "us-a"
balancing_mode = "RATE"
max_rate = 800
capacity_scaler = 0.5
`

// An arrival is a request that an endpoint of a group was picked for.
type arrival struct {
	at    time.Duration
	group string
	took  time.Duration // until it was answered
}

// A diary is what groups got, in the order of time, as the proxy has logged it. An
// endpoint that wrote down when it was asked would tell more of the machine.
type diary struct {
	began    time.Time
	arrivals []arrival
	late     []lateness
}

// A lateness is a time in which the machine had something else to do. What the log
// says of it is not when things happened: a request that came may have waited for
// its turn before an endpoint was picked.
type lateness struct{ from, to time.Duration }

// tolerable is the lateness that hides in the tolerances of those who judge a diary.
const tolerable = 25 * time.Millisecond

// steady reports whether the machine kept the pace from a time on until another.
// Only then can be judged to the request what the groups got meanwhile.
func (d *diary) steady(from, to time.Duration) bool {
	return !slices.ContainsFunc(d.late, func(l lateness) bool { return l.from < to && l.to > from })
}

// read reads the access log. Endpoints' IDs are "group/number".
func (d *diary) read(t *testing.T, file string) {
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		var r struct {
			Time     time.Time
			Endpoint string
			Total    float64 // seconds
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		group, _, _ := strings.Cut(r.Endpoint, "/")
		at, took := r.Time.Sub(d.began), time.Duration(r.Total*float64(time.Second))
		d.arrivals = append(d.arrivals, arrival{at, group, took})
		d.took(at, at+took)
	}
	slices.SortFunc(d.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
}

// took notes what should have been over at once.
func (d *diary) took(from, to time.Duration) {
	if to-from > tolerable {
		d.late = append(d.late, lateness{from, to})
	}
}

// count is how many arrivals a group, "" for all, had from a time on until another.
func (d *diary) count(group string, from, to time.Duration) int {
	at := func(t time.Duration) int {
		i, _ := slices.BinarySearchFunc(d.arrivals, t, func(a arrival, t time.Duration) int { return int(a.at - t) })
		return i
	}
	n := 0
	for _, a := range d.arrivals[at(from):at(to)] {
		if group == "" || a.group == group {
			n++
		}
	}
	return n
}

// used is how many a group can have had in the proxy's second until somebody else
// arrived: a request is counted when an endpoint is picked for it, between the time
// that the log says and its answer, and that second is up to 1.007 s long.
func (d *diary) used(group string, until time.Duration) (least, most int) {
	const second, counted = time.Second, 1007 * time.Millisecond
	doubt := time.Duration(0)
	for _, a := range d.arrivals {
		if a.at > until-counted-tolerable && a.at < until+tolerable {
			doubt = max(doubt, a.took)
		}
	}
	return d.count(group, until-second+doubt, until), d.count(group, until-counted-doubt, until+doubt)
}

// first is when a group had its n-th arrival.
func (d *diary) first(group string, n int) time.Duration {
	for _, a := range d.arrivals {
		if a.group == group {
			if n--; n == 0 {
				return a.at
			}
		}
	}
	return -1
}

// drive sends requests at the rate that demand has at each moment, and returns how
// many there were and how many failed.
func (d *diary) drive(addr string, length time.Duration, demand func(time.Duration) float64) (sent, failed int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	work := make(chan struct{}, 4096)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 32 {
		wg.Go(func() {
			for range work {
				r, err := client.Get("http://" + addr + "/")
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
				if err != nil || r.StatusCode != 200 {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	due, last := 0.0, time.Duration(0)
	for now := time.Duration(0); now < length; now = time.Since(d.began) {
		d.took(last, now)
		due += demand(now) * (now - last).Seconds()
		for last = now; due >= 1; due-- {
			work <- struct{}{}
			sent++
		}
		time.Sleep(time.Millisecond)
	}
	close(work)
	wg.Wait()
	return sent, failed
}

// A day in three zones of two regions, over real sockets: demand goes from nothing
// to one and a half of all capacity and back.
func TestADayOfTheWaterfall(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "access.jsonl")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(s.Close)
	at := s.Listener.Addr().String() // of all of them: it is the choice that counts
	p := run(t, fmt.Sprintf(waterfallFile, log, at, at, at, at, at, at))
	length, peak := *liveFor, 1200.0
	slope, hold := length*4/10, length*2/10
	demand := func(now time.Duration) float64 {
		return peak * max(0, min(1, float64(now)/float64(slope), float64(length-now)/float64(slope)))
	}
	d := &diary{began: time.Now()}
	sent, failed := d.drive(p.ListenAddr("web").String(), length, demand)
	p.stop()
	d.read(t, log)
	if failed > 0 || len(d.arrivals) != sent {
		t.Errorf("%d of %d requests failed, endpoints got %d", failed, sent, len(d.arrivals))
	}
	if *livePlot != "" {
		d.plot(t, *livePlot, length, demand)
	}

	// A group takes in any second what its target is, however late the machine: more
	// goes on.
	const within, second = 0.02, time.Second
	spill, far := d.first("eu-b", 1), d.first("us-a", 1)
	if spill < 0 || far < spill {
		t.Fatalf("eu-b began at %v, us-a at %v", spill, far)
	}
	t.Logf("%d requests, 0 lost", sent)
	for _, began := range []struct {
		group string
		at    time.Duration
		full  string
	}{{"eu-b", spill, "eu-a"}, {"us-a", far, "eu-a"}, {"us-a", far, "eu-b"}} {
		least, most := d.used(began.full, began.at)
		t.Logf("%s began when %s had %d to %d of its 200", began.group, began.full, least, most)
		if (float64(most) < 200*(1-within) || float64(least) > 200*(1+within)) && d.steady(began.at-second-tolerable, began.at+tolerable) {
			t.Errorf("%s began when %s had %d to %d of its 200", began.group, began.full, least, most)
		}
	}
	from, to := slope+second/2, slope+hold
	for group, share := range map[string]float64{"eu-a": 0.25, "eu-b": 0.25, "us-a": 0.5} {
		got := float64(d.count(group, from, to)) / float64(d.count("", from, to))
		t.Logf("at 150 %%, %s has %.3f", group, got)
		if math.Abs(got-share) > 0.05 && d.steady(from-second, to) {
			t.Errorf("at 150 %% of the capacity %s had %.3f of it all, want %v", group, got, share)
		}
	}
	d.noOscillation(t, length, map[string]float64{"eu-b": 200, "us-a": 400})
	if len(d.late) > 0 {
		t.Logf("the machine was late %d times, for instance from %v to %v", len(d.late), d.late[0].from, d.late[0].to)
	}
}

// noOscillation fails the test if a far group is used while there is nothing for
// it to do, or is not while there is: it comes once and goes once. What there is
// to do is what came in truth, however late the machine was.
func (d *diary) noOscillation(t *testing.T, length time.Duration, nearer map[string]float64) {
	t.Helper()
	const step, second = 250 * time.Millisecond, time.Second
	for group, before := range nearer {
		switches, used, idle := 0, false, 0
		for at := second; at+step <= length; at += step {
			n, all := d.count(group, at, at+step), d.count("", at, at+step)
			spilled := n
			if group == "eu-b" { // it may have had its second's in half of one: then they go on
				spilled += d.count("us-a", at, at+step)
			}
			last := float64(d.count("", at-second, at)) // and then a quarter more at most
			switch {
			case !d.steady(at-second, at+step):
			case last+float64(all) < 0.97*before && n > 0:
				t.Errorf("%v: %s got %d although %v a second are not exceeded", at, group, n, before)
			case last > 1.2*before && float64(all) > 1.2*before*step.Seconds() && spilled == 0:
				t.Errorf("%v: %s got nothing of %d after %v in a second", at, group, all, last)
			}
			// It comes with some of the traffic and goes with all of it: in between, where
			// demand just exceeds what is nearer, a step may have some requests or none.
			if idle++; spilled > 0 {
				idle = 0
			}
			if !used && spilled > 10 || used && idle >= 2 {
				used = !used
				switches++
			}
		}
		// On a steep slope the day may be over before the last second's demand is small.
		idleFrom := length - 2*step
		used = used && float64(d.count("", idleFrom-second, idleFrom)) < 0.97*before
		if (used || switches > 2) && d.steady(0, length) {
			t.Errorf("%s came and went: %d changes", group, switches)
		}
	}
}

// plot draws what each group got, by half seconds.
func (d *diary) plot(t *testing.T, file string, length time.Duration, demand func(time.Duration) float64) {
	format, err := plot.FormatOf(file)
	if err != nil {
		t.Fatal(err)
	}
	const step = 500 * time.Millisecond
	var x, wanted []float64
	rates := make(map[string][]float64)
	for at := time.Duration(0); at < length; at += step {
		x = append(x, (at + step/2).Seconds())
		wanted = append(wanted, demand(at+step/2))
		for _, g := range []string{"eu-a", "eu-b", "us-a"} {
			rates[g] = append(rates[g], float64(d.count(g, at, at+step))/step.Seconds())
		}
	}
	panel := plot.Panel{Title: "requests per second", Lines: []plot.Line{{Name: "demand", X: x, Y: wanted, Color: plot.Ink}}}
	for i, g := range []string{"eu-a", "eu-b", "us-a"} {
		panel.Lines = append(panel.Lines, plot.Line{Name: g, X: x, Y: rates[g], Color: i})
	}
	f := plot.Figure{Title: "Three zones in two regions: targets 200, 200 and 400 a second", X: "seconds", Panels: []plot.Panel{panel}}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(out, format); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
