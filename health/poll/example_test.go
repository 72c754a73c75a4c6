package poll_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/health/poll"
)

// An endpoint says on a page how busy it is.
func Example() {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"cpu_utilization": 0.7, "named_metrics": {"gpu": 0.2}}`)
	}))
	defer endpoint.Close()

	ctx, cancel := context.WithCancel(context.Background())
	o := poll.Options{Interval: 500 * time.Millisecond, Path: "/load"}
	err := poll.Watch(ctx, o, strings.TrimPrefix(endpoint.URL, "http://"), []string{"orca.named_metrics.gpu"},
		func(r *health.LoadReport, err error) {
			fmt.Println(r.CPU, r.Named, err)
			cancel()
		})
	fmt.Println(err)
	// Output:
	// 0.7 [{gpu 0.2}] <nil>
	// context canceled
}
