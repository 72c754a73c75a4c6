//go:build linux

package main

import (
	"os"
	"testing"
	"time"
)

func TestProcFilesAreRead(t *testing.T) {
	if d, err := parseSchedstat("94576969 10207165 368\n"); d != 94576969 || err != nil {
		t.Errorf("schedstat: %v, %v", d, err)
	}
	parent, cpu, err := parseStat("42 (nginx: (worker) x) S 7 42 42 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 1 0 99")
	if parent != 7 || cpu != 420*time.Millisecond || err != nil {
		t.Errorf("stat: parent %d, %v, %v", parent, cpu, err)
	}
	if _, _, err := parseStat("42 (short) S 7"); err == nil {
		t.Error("half a stat line is no error")
	}
	if n := parseKilobytes([]byte("00400000-7fff rollup\nRss:                1234 kB\nPss:  5 kB\n"), "Rss:"); n != 1234<<10 {
		t.Errorf("smaps_rollup: %d bytes", n)
	}
	if n := parseStatm("100 7 3 1 0 9 0\n"); n != 7*int64(os.Getpagesize()) {
		t.Errorf("statm: %d bytes", n)
	}
	if d := parseBusy("cpu  1 2 3 1000 1000 4 5 1000 0 0"); d != 150*time.Millisecond {
		t.Errorf("cpu line: %v", d)
	}
}

func TestThreadsThatWereBornCountAndThoseThatEndedDoNot(t *testing.T) {
	before := cpuSample{1: 100, 2: 500}
	after := cpuSample{1: 130, 3: 7}
	if d := after.since(before); d != 37 {
		t.Errorf("%d ns, want 30 of thread 1 and 7 of thread 3", d)
	}
}

func TestOwnCPUTimeGrowsWithWork(t *testing.T) {
	me := []int{os.Getpid()}
	before := sampleCPU(me)
	for n := 0; sampleCPU(me).since(before) < 20*time.Millisecond; n++ {
		if t.Context().Err() != nil {
			t.Fatal("working did not cost CPU time")
		}
	}
	if residentBytes(me) < 1<<20 {
		t.Error("a Go program in less than a megabyte")
	}
}

func TestATreeHoldsChildren(t *testing.T) {
	p, err := launch(unpinned, t.TempDir()+"/log", nil, "/bin/sh", "-c", "sleep 60 & wait")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop(9)
	if err := p.until(t.Context(), func() bool { return len(processTree(p.pid())) == 2 }); err != nil {
		t.Error(err)
	}
}
