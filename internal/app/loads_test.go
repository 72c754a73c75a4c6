package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// busy is an endpoint that says its name, and in each response how busy it is.
func busy(t *testing.T, name, report string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Endpoint-Load-Metrics", report)
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// With WEIGHTED_ROUND_ROBIN who is twice as busy with as many requests gets half as
// many, and no client sees the reports that it is by. Metrics of the file come
// before the CPU, and a dry run does not.
func TestWhoIsBusierGetsLess(t *testing.T) {
	t.Parallel()
	a := busy(t, "a", "cpu_utilization=0.9, rps_fractional=100, named_metrics.queue=0.2, named_metrics.gpu=0.9")
	b := busy(t, "b", "cpu_utilization=0.1, rps_fractional=100, named_metrics.queue=0.6, named_metrics.gpu=0.1")
	p := run(t, fmt.Sprintf(`
[admin]
listen = "127.0.0.1:0"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "s"
[[service]]
name = "s"
locality_lb_policy = "WEIGHTED_ROUND_ROBIN"
endpoints = [{ id = "a", address = %q }, { id = "b", address = %q }]
weighted_round_robin = { blackout_period = "0s" }
custom_metrics = [{ name = "orca.named_metrics.queue" }, { name = "orca.named_metrics.gpu", dry_run = true }]
`, a, b))
	ask := func() string {
		resp, err := http.Get("http://" + p.ListenAddr("web").String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if field := resp.Header.Get("Endpoint-Load-Metrics"); field != "" {
			t.Errorf("a client sees %q", field)
		}
		name, _ := io.ReadAll(resp.Body)
		return string(name)
	}
	defer http.DefaultClient.CloseIdleConnections()
	shares := func() (got []float64, weights string) {
		var v struct {
			Weights string
			Groups  []struct {
				Endpoints []struct {
					Load  float64 `json:"load_weight"`
					Share float64 `json:"share_expected"`
				}
			}
		}
		_, body := p.get("admin", "/api/v1/services/s")
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		for _, e := range v.Groups[0].Endpoints {
			got = append(got, e.Share, e.Load)
		}
		return got, v.Weights
	}
	if got, weights := shares(); got[0] != 0.5 || weights != "CONFIGURED" {
		t.Errorf("before any report: %v, %s", got, weights)
	}
	testkit.Eventually(t, func() bool {
		ask()
		got, weights := shares()
		return weights == "REPORTED" && math.Abs(got[0]-0.75) < 0.001 && math.Abs(got[1]-500) < 1e-6
	})
	names := ""
	for range 40 {
		names += ask()
	}
	if n := strings.Count(names, "a"); n < 28 || n > 32 {
		t.Errorf("a got %d of 40, want 30: %s", n, names)
	}
}
