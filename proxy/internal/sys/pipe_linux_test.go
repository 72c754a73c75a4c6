//go:build !faults

package sys

import (
	"testing"
	"testing/synctest"
)

func (p *pipePool) idleCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

func TestPipesOfABusyTimeAreClosed(t *testing.T) {
	synctest.Test(t, busyTime) // where no second passes by itself
}

func busyTime(t *testing.T) {
	var p pipePool
	a, b := p.get(), p.get()
	p.put(a)
	p.put(b)
	p.trim() // both came since the trim before
	if p.idleCount() != 2 {
		t.Fatalf("%d idle pipes, want 2", p.idleCount())
	}
	p.put(p.get()) // one is in use now and then
	p.trim()
	if p.idleCount() != 1 || p.alive != 1 || p.idle[0] != b {
		t.Fatalf("%d idle pipes, %d alive", p.idleCount(), p.alive)
	}
	p.trim()
	if p.idleCount() != 0 || p.alive != 0 {
		t.Fatalf("%d idle pipes, %d alive", p.idleCount(), p.alive)
	}
}
