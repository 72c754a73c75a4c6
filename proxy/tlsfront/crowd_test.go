package tlsfront_test

import (
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

func TestAFloodOfHalfHandshakesKeepsNobodyOut(t *testing.T) {
	const limit = 10
	b := start(t, func(o *tlsfront.Options, _ *tlsfront.Settings, _ *testkit.Certificates) { o.MaxHandshakes = limit })
	first := hello(t)
	for range 5 * limit {
		b.dial().Write(first[:len(first)/2])
	}
	testkit.Eventually(t, func() bool {
		b.must(b.client("a.example.com"))
		return b.engine.Counters().Failed[tlsfront.Crowded].Load() >= 4*limit
	})
}
