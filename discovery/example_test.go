package discovery_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spillway-lb/spillway/discovery"
)

// A balancer that follows a file would call its SetEndpoints where this prints.
func ExampleWatcher() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "endpoints.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
	}

	w := discovery.NewWatcher(discovery.Options{
		Group:  "web",
		Source: discovery.File(path, 0),
		Changed: func(all []discovery.Endpoint) {
			for _, e := range all {
				fmt.Println(e.ID, e.Weight)
			}
		},
	})
	write(`["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 3}]`)
	w.Look(context.Background()) // Run does so again and again

	write(`["10.0.0.1:80", {"address`)
	w.Look(context.Background())
	fmt.Println(len(w.Endpoints()), "endpoints are kept")
	// Output:
	// 10.0.0.1:80 1
	// 10.0.0.2:80 3
	// 2 endpoints are kept
}
