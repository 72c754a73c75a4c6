package app_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const scalerFile = `
[log]
access = %q
[admin]
listen = "127.0.0.1:0"
[[group]]
name = "a"
endpoints = [{ id = "a/1", address = %q }]
[[group]]
name = "b"
endpoints = [{ id = "b/1", address = %q }]
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
[[service.backend]]
group = "a"
balancing_mode = "RATE"
max_rate = 80
[[service.backend]]
group = "b"
balancing_mode = "RATE"
max_rate = 20
`

// Targets of 80 and 20 at 200 a second are 160 and 40, and nobody is turned away
// (T3, spec.md §2.4); with a scaler of 0.5 on the first, 40 and 20 are 133 and 67.
func TestAScalerIsFollowedWithinASecond(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "access.jsonl")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(s.Close)
	p := run(t, fmt.Sprintf(scalerFile, log, s.Listener.Addr(), s.Listener.Addr()))
	admin := "http://" + p.ListenAddr("admin").String()

	const second, length, change = time.Second, 6 * time.Second, 3 * time.Second
	d := &diary{began: time.Now()}
	var changed time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(change)
		r, err := http.Post(admin+"/api/v1/services/web/groups/a", "application/json", strings.NewReader(`{"capacity_scaler":0.5}`))
		changed = time.Since(d.began)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Body.Close()
		if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", r.Status, body)
		}
	})
	sent, failed := d.drive(p.ListenAddr("web").String(), length, func(time.Duration) float64 { return 200 })
	wg.Wait()
	p.stop()
	d.read(t, log)
	if failed > 0 || len(d.arrivals) != sent {
		t.Errorf("%d of %d requests failed, %d are in the log", failed, sent, len(d.arrivals))
	}
	for _, part := range []struct {
		from, to time.Duration
		share    float64
	}{{second, change, 0.8}, {changed + second, length, 2.0 / 3}} {
		a, b := d.count("a", part.from, part.to), d.count("b", part.from, part.to)
		got := float64(a) / float64(a+b)
		t.Logf("from %v to %v: a %d, b %d, a's share %.4f", part.from, part.to, a, b, got)
		if math.Abs(got-part.share) > 0.03*part.share && d.steady(part.from-second, part.to) {
			t.Errorf("a's share is %.4f, want %.4f", got, part.share)
		}
	}
}
