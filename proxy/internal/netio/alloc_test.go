//go:build !race && !faults

package netio

import (
	"testing"
	"time"
)

func TestReadWriteAndDeadlinesAllocateNothing(t *testing.T) {
	a, b := pair(t, "tcp")
	if !a.raw.on {
		t.Skip("net.Conn's own calls")
	}
	pool := NewPool(1 << 10)
	head, body, in := []byte("head"), []byte("body"), make([]byte, 8)
	later := time.Now().Add(time.Hour)
	b.ReadBy(later)
	n := testing.AllocsPerRun(1000, func() {
		later = later.Add(time.Second)
		b.ReadBy(later)
		a.WriteBuffers(head, body)
		b.Read(in)
		b.Write(in)
		buf, err := a.Receive(pool)
		if err != nil {
			t.Fatal(err)
		}
		buf.Free()
		if b.Gone() || !b.Idle() {
			t.Fatal("gone, or not idle")
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// The two ends take turns, so that every Read waits in the netpoller.
func TestWaitingAllocatesNothing(t *testing.T) {
	a, b := pair(t, "tcp")
	if !a.raw.on {
		t.Skip("net.Conn's own calls")
	}
	go echo(b)
	p := make([]byte, 64)
	n := testing.AllocsPerRun(1000, func() {
		a.Write(p)
		a.Read(p)
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestSpliceAllocatesNothing(t *testing.T) {
	in, src := pair(t, "tcp")
	dst, out := pair(t, "tcp")
	if !src.raw.on {
		t.Skip("no splice")
	}
	p := make([]byte, 1<<10)
	n := testing.AllocsPerRun(1000, func() {
		in.Write(p)
		if n, err := Splice(dst, src, int64(len(p))); n != int64(len(p)) || err != nil {
			t.Fatal(n, err)
		}
		out.Read(p)
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
