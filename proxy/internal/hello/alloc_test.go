//go:build !race

package hello_test

import (
	"crypto/tls"
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/hello"
)

func TestAHelloInOneRecordAllocatesNothing(t *testing.T) {
	stream := greeting(t, &tls.Config{ServerName: "a.example.com", NextProtos: []string{"h2"}})
	n := testing.AllocsPerRun(100, func() {
		var r hello.Reader
		r.Look(stream[:100])
		if _, state := r.Look(stream); state != hello.Found {
			t.Fatal(state)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLook(b *testing.B) {
	stream := greeting(b, &tls.Config{ServerName: "a.example.com", NextProtos: []string{"h2"}})
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		look(stream)
	}
}
