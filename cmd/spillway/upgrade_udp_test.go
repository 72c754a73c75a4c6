//go:build linux

package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// One process reads what clients send, and then the other: what has come meanwhile waits in the socket, and the answers
// that are under way come from the old one.
func TestDatagramsAreAnsweredAcrossUpgrades(t *testing.T) {
	for _, engine := range []string{"loop", "stream"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			u := startUpgradable(t, engine)
			var clients sync.WaitGroup
			var stop atomic.Bool
			var answered atomic.Int64
			for range 4 {
				c, err := net.Dial("udp", u.udp)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients.Go(func() {
					for i := 0; !stop.Load(); i++ {
						if err := say(c, fmt.Sprintf("datagram %d", i)); err != nil {
							t.Errorf("%v: datagram %d: %v", c.LocalAddr(), i, err)
							return
						}
						answered.Add(1)
					}
				})
			}
			more := func() {
				before := answered.Load()
				testkit.Eventually(t, func() bool { return answered.Load() > before+200 || t.Failed() })
			}
			for range 2 {
				more()
				u.upgrade()
				more()
			}
			stop.Store(true)
			clients.Wait()
			t.Logf("%d datagrams answered", answered.Load())
		})
	}
}
