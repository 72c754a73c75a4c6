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
	crowded := &b.engine.Counters().Failed[tlsfront.Crowded]
	// All have begun, and who comes now is not the oldest: four times the limit stay for a moment.
	testkit.Eventually(t, func() bool { return crowded.Load() == limit })
	testkit.Eventually(t, func() bool {
		b.must(b.client("a.example.com"))
		return crowded.Load() >= 4*limit
	})
}
