//go:build linux && !race && !faults

package tcp_test

import (
	"io"
	"runtime"
	"testing"
)

// Messages go through both pumps and wait in both, without an allocation
// anywhere in the process.
func TestMessagesAllocateNothing(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo))
		c := b.dial()
		p := make([]byte, 64)
		n := testing.AllocsPerRun(1000, func() {
			c.Write(p)
			if _, err := io.ReadFull(c, p); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations a message", n)
		}
	})
}

// Two 64 KiB buffers a connection would be 25 MiB for these.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		const conns = 200
		b := setup(t, d, nil, endpoint(t, echo))
		before := heap()
		for range conns {
			c := b.dial()
			c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		// The endpoint and the client live here, too.
		if each := (heap() - before) / conns; each > 16<<10 {
			t.Errorf("%d bytes of heap per idle connection", each)
		} else {
			t.Logf("%d bytes of heap per idle connection", each)
		}
		runtime.KeepAlive(b)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // sync.Pool keeps its things through one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
