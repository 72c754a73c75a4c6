package http_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// A loop has a pool; and where the next request is here in the same turn in which
// a connection came back, which is to rest, it makes another one.
func init() { drivers = append(drivers, driver{name: "loop", choose: chooseLoops, pools: 4}) }

// chooseLoops runs two event loops for as long as the test.
func chooseLoops(t *testing.T, o *proxyhttp.Options) {
	loops, err := proxy.NewLoops(2, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { loops.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	o.Loops = loops
}
