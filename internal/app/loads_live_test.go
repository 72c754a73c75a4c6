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

// asked is how many requests the clients of the workers send per second, if the
// machine keeps the pace.
const asked = 200

// A worker is an endpoint that is fully busy with so many requests per second, and
// reports in each response how busy it has been over the last second: by its part of
// what came to all of them, so that on a slow machine nobody is less busy.
type worker struct {
	perSecond float64
	silent    atomic.Bool
	total     atomic.Int64
	all       *ledger
}

// A ledger is who was asked when.
type ledger struct {
	mu   sync.Mutex
	came []entry
}

type entry struct {
	at time.Time
	by *worker
}

// part notes a request, and returns which part of the last second's were this worker's.
func (l *ledger) part(w *worker, now time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came = append(l.came, entry{now, w})
	for now.Sub(l.came[0].at) > time.Second {
		l.came = l.came[1:]
	}
	n := 0
	for _, e := range l.came {
		if e.by == w {
			n++
		}
	}
	return float64(n) / float64(len(l.came))
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	w.total.Add(1)
	u := w.all.part(w, time.Now()) * asked / w.perSecond
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
	all := new(ledger)
	a, b := &worker{perSecond: 100 / 0.9, all: all}, &worker{perSecond: 100 / 0.3, all: all}
	sa, sb := httptest.NewServer(a), httptest.NewServer(b)
	defer sa.Close()
	defer sb.Close()
	p := run(t, fmt.Sprintf(byUtilization, sa.Listener.Addr(), sb.Listener.Addr()))
	defer http.DefaultClient.CloseIdleConnections()

	clients := asker{url: "http://" + p.ListenAddr("web").String() + "/"}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		clients.ask(stop)
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
	const want, near = 0.25, 0.08 // a report is of a second, and so behind
	isNear := func(s float64) bool { return s > want-near && s < want+near }
	testkit.Eventually(t, func() bool {
		first, next := share(), share()
		return isNear(first) && isNear(next)
	})
	for range 5 {
		if s := share(); !isNear(s) && clients.onTimeFor(3*time.Second) {
			t.Errorf("it got %.2f of the traffic, after it had found its quarter", s)
		}
	}
	a.silent.Store(true)
	b.silent.Store(true)
	testkit.Eventually(t, func() bool { s := share(); return s > 0.45 && s < 0.55 }) // who knows
	close(stop)
	<-done
	if n := clients.failed.Load(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
}

// An asker is clients that ask a URL.
type asker struct {
	url    string
	failed atomic.Int64
	late   atomic.Int64 // when the machine did not keep their pace, in Unix nanoseconds
}

// onTimeFor reports whether the machine has kept the pace so long. Rates are not what
// they should be when it has not, and so weights are not.
func (a *asker) onTimeFor(d time.Duration) bool {
	return time.Since(time.Unix(0, a.late.Load())) > d
}

// took notes what should have been over at once.
func (a *asker) took(since time.Time) {
	if now := time.Now(); now.Sub(since) > 2*tolerable {
		a.late.Store(now.UnixNano())
	}
}

// ask asks two hundred times a second, however late the last one was answered.
func (a *asker) ask(stop chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(time.Second / asked)
	defer tick.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		a.took(last)
		wg.Go(a.once)
	}
}

func (a *asker) once() {
	defer a.took(time.Now())
	resp, err := http.Get(a.url)
	if err != nil {
		a.failed.Add(1)
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("X-Endpoint-Load-Metrics") != "" {
		a.failed.Add(1)
	}
}
