package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// Two zones, of which the near one is soon full, and weights within them.
const recordedFile = `
[log]
access = %q
[proxy]
region = "eu"
zone = "near"
[[zone]]
name = "far"
region = "eu"
rtt = "5ms"
[[group]]
name = "near"
region = "eu"
zone = "near"
endpoints = [{ id = "near-1", address = %q }, { id = "near-3", address = %q, weight = 3 }]
[[group]]
name = "far"
region = "eu"
zone = "far"
endpoints = [{ id = "far-1", address = %q }, { id = "far-2", address = %q, weight = 2 }]
[[listener]]
name = "in"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
[service.service_lb_policy]
load_balancing_algorithm = "WATERFALL_BY_ZONE"
[[service.backend]]
group = "near"
balancing_mode = "RATE"
max_rate = 100
[[service.backend]]
group = "far"
balancing_mode = "RATE"
max_rate = 1000
`

// A proxy runs for some seconds, with clients, and writes its access log. Played
// again, every endpoint gets what it got, give or take 2 % of the traffic.
func TestASimulationOfARecordedRunIsWhatHappened(t *testing.T) {
	names := []string{"near-1", "near-3", "far-1", "far-2"}
	log := filepath.Join(t.TempDir(), "access.jsonl")
	args := []any{log}
	for _, name := range names {
		args = append(args, endpoint(t, name))
	}
	file := write(t, "a.toml", fmt.Sprintf(recordedFile, args...))
	a := proxy(t, file)
	live := askFor(t, "http://"+a.ListenAddr("in").String(), 8, 2*time.Second)
	total := 0
	for _, n := range live {
		total += n
	}
	testkit.Eventually(t, func() bool {
		b, err := os.ReadFile(log)
		return err == nil && bytes.Count(b, []byte("\n")) == total
	})

	s := simulateJSON(t, file, "--log", log)
	if int(s.Requests) != total || s.Errors != 0 || len(s.Endpoints) != len(names) {
		t.Fatalf("%d requests, and %d simulated: %+v", total, s.Requests, s)
	}
	for _, e := range s.Endpoints {
		if int(*e.Recorded) != live[e.Endpoint] {
			t.Errorf("%s: the log has %d requests, clients had %d answers", e.Endpoint, *e.Recorded, live[e.Endpoint])
		}
		share := float64(live[e.Endpoint]) / float64(total)
		t.Logf("%s: live %d, simulated %d; %.4f and %.4f of %d", e.Endpoint, live[e.Endpoint], e.Requests, share, e.Share, total)
		if math.Abs(share-e.Share) > 0.02 {
			t.Errorf("%s: %.4f of the traffic live, %.4f simulated", e.Endpoint, share, e.Share)
		}
	}
	if near := s.Groups[0].Share; total > 400 && near > 0.9 {
		t.Errorf("nothing was spilled: the near group has %.2f of %d requests", near, total)
	}
}

// askFor lets clients ask, each forty times a second, and counts who answered.
func askFor(t *testing.T, url string, clients int, d time.Duration) map[string]int {
	t.Helper()
	var mu sync.Mutex
	count := make(map[string]int)
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for range clients {
		wg.Go(func() {
			tr := &http.Transport{}
			defer tr.CloseIdleConnections()
			tick := time.NewTicker(25 * time.Millisecond)
			defer tick.Stop()
			for now := range tick.C {
				if now.After(end) {
					return
				}
				resp, err := (&http.Client{Transport: tr}).Get(url)
				if err != nil {
					t.Error(err)
					return
				}
				name, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%d, %v", resp.StatusCode, err)
				}
				mu.Lock()
				count[string(name)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return count
}
