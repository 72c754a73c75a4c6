// Report is an endpoint that says in each of its responses how busy it is: a
// dozen lines around its handler. Spillway reads it where a service goes by
// UTILIZATION, CUSTOM_METRICS or WEIGHTED_ROUND_ROBIN, and clients do not see it.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"

	"github.com/spillway-lb/spillway/health"
)

// workers is how many requests the endpoint can work on at once.
const workers = 4

// reporting adds a load report to the responses of next: the part of the workers
// that are busy, this one included. A report goes with the head of a response, so
// it is made when the work is still to be done.
func reporting(next http.Handler) http.Handler {
	var busy atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		utilization := float64(busy.Add(1)) / workers
		defer busy.Add(-1)
		w.Header().Set("Endpoint-Load-Metrics",
			fmt.Sprintf("TEXT application_utilization=%.3f,named_metrics.workers=%d", utilization, workers))
		next.ServeHTTP(w, r)
	})
}

func main() {
	// Three requests stay until the fourth has been answered.
	var waiting sync.WaitGroup
	release := make(chan struct{})
	endpoint := httptest.NewServer(reporting(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			waiting.Done()
			<-release
		}
	})))
	defer endpoint.Close()
	var clients sync.WaitGroup
	waiting.Add(3)
	for range 3 {
		clients.Go(func() { get(endpoint.URL + "/slow") })
	}
	waiting.Wait()
	field := get(endpoint.URL + "/")
	close(release)
	clients.Wait()

	// What Spillway makes of it.
	report := health.NoLoadReport()
	if err := health.NewLoadReader("orca.named_metrics.workers").Read(health.LoadText, []byte(field), &report); err != nil {
		log.Fatal(err)
	}
	fmt.Println(field)
	fmt.Println("application utilization:", report.Application, "named:", report.Named)
}

// get returns the report that a response carries.
func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Endpoint-Load-Metrics")
}
