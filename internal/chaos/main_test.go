//go:build linux

package chaos_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

var (
	length = flag.Duration("chaos", 6*time.Second, "how long chaos reigns")
	seed   = flag.Uint64("seed", rand.Uint64(), "decides what befalls whom, and when")
	report = flag.String("report", "", "the file to write a report to")
)

// TestMain lets the test binary stand for an endpoint, and for itself in a network
// of its own.
func TestMain(m *testing.M) {
	if addr := os.Getenv(endpointVariable); addr != "" {
		if err := serveEndpoint(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
