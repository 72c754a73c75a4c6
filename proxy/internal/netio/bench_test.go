package netio

import (
	"io"
	"net"
	"testing"
)

func echo(c net.Conn) {
	p := make([]byte, 64<<10)
	for {
		n, err := c.Read(p)
		if err != nil {
			return
		}
		if _, err := c.Write(p[:n]); err != nil {
			return
		}
	}
}

// BenchmarkEcho is 64 bytes there and back over loopback on many connections at
// once, which is when it costs to tell the scheduler about each call. On a busy
// machine only cpu-ns/op, user and system time of both ends, means anything.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []struct {
		name string
		pick func(*Conn) net.Conn
	}{
		{"net", (*Conn).NetConn},
		{"netio", func(c *Conn) net.Conn { return c }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			b.SetParallelism(32)
			before := cpu()
			b.RunParallel(func(pb *testing.PB) {
				x, y := pair(b, "tcp")
				go echo(kind.pick(y))
				c, p := kind.pick(x), make([]byte, 64)
				for pb.Next() {
					c.Write(p)
					if _, err := io.ReadFull(c, p); err != nil {
						b.Error(err)
						return
					}
				}
			})
			if used := cpu() - before; used > 0 {
				b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
			}
		})
	}
}

// BenchmarkIdle is what a kept connection costs before each use.
func BenchmarkIdle(b *testing.B) {
	x, _ := pair(b, "tcp")
	for b.Loop() {
		if !x.Idle() {
			b.Fatal("not idle")
		}
	}
}

// BenchmarkGone is the other question, for comparison.
func BenchmarkGone(b *testing.B) {
	x, _ := pair(b, "tcp")
	for b.Loop() {
		if x.Gone() {
			b.Fatal("gone")
		}
	}
}
