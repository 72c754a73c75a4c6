package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// queue is what the admin API says of a service's queue.
func (p *proxy) queue(service string) (q struct {
	Limits struct {
		MaxConnections     int64   `json:"max_connections"`
		MaxPendingRequests int64   `json:"max_pending_requests"`
		PendingTimeout     float64 `json:"pending_timeout"`
	}
	Active, Queued int64
}) {
	p.t.Helper()
	var v struct{ Queue any }
	v.Queue = &q
	_, body := p.get("admin", "/api/v1/services/"+service)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	return q
}

// New limits of a reload hold at once, for those who wait, too, and those who were
// counted before still count.
func TestLimitsOfAReloadCountWhoIsThere(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	come, answer := make(chan struct{}, 10), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		come <- struct{}{}
		<-answer
		io.WriteString(w, "ok")
	}))
	defer s.Close()
	limited := func(most int) string {
		return oneListener + list(s.Listener.Addr().String()) +
			fmt.Sprintf("[service.circuit_breakers]\nmax_connections = %d\nmax_pending_requests = 1\n", most)
	}
	p := run(t, limited(1))
	codes := make(chan int, 10)
	ask := func() {
		go func() {
			code, _ := p.get("web", "/")
			codes <- code
		}()
	}
	ask()
	<-come
	ask()
	testkit.Eventually(t, func() bool { return p.queue("web").Queued == 1 })
	if code, _ := p.get("web", "/"); code != 503 {
		t.Errorf("a third one got %d, want 503: there is no place in the line", code)
	}
	if q := p.queue("web"); q.Active != 1 || q.Limits.MaxConnections != 1 || q.Limits.MaxPendingRequests != 1 || q.Limits.PendingTimeout != 5 {
		t.Errorf("queue %+v", q)
	}
	p.reload(limited(2))
	<-come // the second
	if q := p.queue("web"); q.Active != 2 || q.Queued != 0 || q.Limits.MaxConnections != 2 {
		t.Errorf("after the reload: queue %+v", q)
	}
	close(answer)
	for range 2 {
		if code := <-codes; code != 200 {
			t.Errorf("got %d", code)
		}
	}
	if _, metrics := p.get("admin", "/metrics"); !strings.Contains(metrics, `spillway_overflows_total{limit="max_pending_requests",service="web"} 1`) ||
		!strings.Contains(metrics, `spillway_queued_total{service="web"} 1`) {
		t.Errorf("metrics do not show the overflow and the wait:\n%s", metrics)
	}
}
