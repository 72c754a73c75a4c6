package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A worker is an endpoint that is fully busy with so many requests per second, and
// reports in each response how busy it has been over the last two seconds.
type worker struct {
	perSecond float64
	silent    atomic.Bool
	total     atomic.Int64

	mu   sync.Mutex
	came []time.Time
}

func (w *worker) utilization(now time.Time) float64 {
	const window = 2 * time.Second
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came = append(w.came, now)
	for now.Sub(w.came[0]) > window {
		w.came = w.came[1:]
	}
	return float64(len(w.came)) / window.Seconds() / w.perSecond
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	w.total.Add(1)
	u := w.utilization(time.Now())
	if !w.silent.Load() {
		rw.Header().Set("X-Endpoint-Load-Metrics", fmt.Sprintf("TEXT cpu_utilization=%.4f", u))
	}
	io.WriteString(rw, "ok")
}

const byUtilization = `
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "s"
[[group]]
name = "a"
endpoints = ["%s"]
[[group]]
name = "b"
endpoints = ["%s"]
[[service]]
name = "s"
utilization.report_expiration = "2s"
[[service.backend]]
group = "a"
balancing_mode = "UTILIZATION"
max_utilization = 0.8
[[service.backend]]
group = "b"
balancing_mode = "UTILIZATION"
max_utilization = 0.8
`

// At equal shares of 200 requests per second a would be 90 % busy and b 30 %. With
// a target of 80 % for both they can take 89 and 267 requests per second, so a is to
// get a quarter. When reports stop nothing is known, and everybody is served.
func TestWhoIsOverItsTargetLosesShare(t *testing.T) {
	t.Parallel()
	a, b := &worker{perSecond: 100 / 0.9}, &worker{perSecond: 100 / 0.3}
	sa, sb := httptest.NewServer(a), httptest.NewServer(b)
	defer sa.Close()
	defer sb.Close()
	p := run(t, fmt.Sprintf(byUtilization, sa.Listener.Addr(), sb.Listener.Addr()))
	defer http.DefaultClient.CloseIdleConnections()

	var failed atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		keepAsking(stop, "http://"+p.ListenAddr("web").String()+"/", &failed)
	}()
	// share is a's of the next hundred requests.
	share := func() float64 {
		a0, b0 := a.total.Load(), b.total.Load()
		var na, nb float64
		testkit.Eventually(t, func() bool {
			na, nb = float64(a.total.Load()-a0), float64(b.total.Load()-b0)
			return na+nb >= 100
		})
		t.Logf("%.2f", na/(na+nb))
		return na / (na + nb)
	}
	const want, near = 0.25, 0.08 // a report is of two seconds, and so behind
	isNear := func(s float64) bool { return s > want-near && s < want+near }
	testkit.Eventually(t, func() bool {
		first, next := share(), share()
		return isNear(first) && isNear(next)
	})
	for range 5 {
		if s := share(); !isNear(s) {
			t.Errorf("it got %.2f of the traffic, after it had found its quarter", s)
		}
	}
	a.silent.Store(true)
	b.silent.Store(true)
	testkit.Eventually(t, func() bool { s := share(); return s > 0.45 && s < 0.55 }) // who knows
	close(stop)
	<-done
	if n := failed.Load(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
}

// keepAsking asks two hundred times a second, however late the last one was answered.
func keepAsking(stop chan struct{}, url string, failed *atomic.Int64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		wg.Go(func() {
			resp, err := http.Get(url)
			if err != nil {
				failed.Add(1)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 || resp.Header.Get("X-Endpoint-Load-Metrics") != "" {
				failed.Add(1)
			}
		})
	}
}
