package balance_test

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/spillway-lb/spillway/balance"
)

func TestLoadCountsLeases(t *testing.T) {
	var l balance.Load
	for i := range 3 {
		if !l.Acquire(3) {
			t.Fatalf("lease %d of 3 was refused", i+1)
		}
	}
	if l.Acquire(3) {
		t.Error("a fourth lease of 3 was given")
	}
	if !l.Acquire(0) || !l.Acquire(-1) {
		t.Error("a lease without a limit was refused")
	}
	l.Fail(balance.ResponseError, "")
	if l.Active() != 5 || l.Started() != 5 || l.Failed() != 1 {
		t.Errorf("active %d, started %d, failed %d, want 5, 5, 1", l.Active(), l.Started(), l.Failed())
	}
	for range 5 {
		l.Release()
	}
	if l.Active() != 0 || l.Started() != 5 {
		t.Errorf("after the end: active %d, started %d, want 0 and 5", l.Active(), l.Started())
	}
}

// Whoever else acquires and releases, there are never more than max.
func TestLoadNeverExceedsItsLimit(t *testing.T) {
	const limit = 3
	var l balance.Load
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if !l.Acquire(limit) {
					continue
				}
				select {
				case slots <- struct{}{}:
				default:
					t.Error("more leases than the limit")
					return
				}
				<-slots
				l.Release()
			}
		})
	}
	wg.Wait()
	if l.Active() != 0 {
		t.Errorf("%d leases are left", l.Active())
	}
}

func TestLoadFillsACacheLine(t *testing.T) {
	if size := unsafe.Sizeof(balance.Load{}); size != 64 {
		t.Errorf("a Load has %d bytes, want 64", size)
	}
}
