//go:build !race && !faults

package proxy_test

import (
	"io"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestARecordAllocatesNothing(t *testing.T) {
	l := proxy.NewAccessLog(io.Discard)
	r := record("/index.html")
	hundred := func() {
		for range 100 {
			l.Write(r)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	hundred() // buffers grow; there are two
	hundred()
	if n := testing.AllocsPerRun(100, hundred); n > 0 {
		t.Errorf("%v allocations for a hundred records and a flush", n)
	}
}
