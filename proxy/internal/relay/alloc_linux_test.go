//go:build !race && !faults

package relay_test

import (
	"io"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

func TestAMessageThroughALoopAllocatesNothing(t *testing.T) {
	e := connect(t)
	wait := run(onALoop(t, e.inClient, e.inEnd, relay.Options{
		Stats: new(proxy.Stats), Idle: time.Minute,
	}))
	p := make([]byte, 100)
	n := testing.AllocsPerRun(2000, func() {
		e.client.Write(p)
		io.ReadFull(e.endpoint, p)
		e.endpoint.Write(p)
		io.ReadFull(e.client, p)
	})
	if n != 0 {
		t.Errorf("a message there and back makes %v allocations", n)
	}
	abort(e.client)
	wait()
}
