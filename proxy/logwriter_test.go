package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

func ExampleLogWriter() {
	w := proxy.NewLogWriter(os.Stdout, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })

	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: noTime}))
	log.Warn("attempt failed", "endpoint", "10.0.0.1:80") // returns at once, even if nobody reads the pipe

	cancel()
	wg.Wait() // what waited is written
	// Output: level=WARN msg="attempt failed" endpoint=10.0.0.1:80
}

// A pipe is a writer that can be full: then Write waits.
type pipe struct {
	testkit.Buffer
	full    chan struct{} // closed: there is room
	waiting atomic.Bool
}

func newFullPipe() *pipe { return &pipe{full: make(chan struct{})} }

func (p *pipe) Write(b []byte) (int, error) {
	p.waiting.Store(true)
	<-p.full
	return p.Buffer.Write(b)
}

// start runs a log; stop ends it and returns what Run returned.
func start(run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func gapOf(lines uint64) string { return fmt.Sprintf("%d lines are missing\n", lines) }

func TestAFullPipeMakesNobodyWait(t *testing.T) {
	const lines = 20_000 // 20 MB
	to := newFullPipe()
	w := proxy.NewLogWriter(to, gapOf)
	stop := start(w.Run)
	line := func(i int) string { return fmt.Sprintf("%0*d\n", 999, i) }
	fmt.Fprint(w, "first\n")
	testkit.Eventually(t, to.waiting.Load) // Run is stuck from here on
	for i := range lines {
		fmt.Fprint(w, line(i))
	}
	dropped := w.Dropped()
	if dropped == 0 || dropped >= lines {
		t.Fatalf("%d of %d lines dropped, want those above 8 MiB", dropped, lines)
	}
	if kept := (lines - dropped) * 1000; kept > 8<<20 || kept < 8<<20-2000 {
		t.Errorf("%d bytes waited, want almost 8 MiB", kept)
	}
	close(to.full)
	testkit.Eventually(t, func() bool { return strings.Contains(to.String(), "missing") })
	fmt.Fprint(w, "last\n")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("first\n")
	for i := range lines - int(dropped) {
		want.WriteString(line(i))
	}
	want.WriteString(gapOf(dropped) + "last\n")
	if to.String() != want.String() {
		t.Error("the log is not: what there was room for, the number of lines that are missing, what came then")
	}
	if w.Dropped() != dropped {
		t.Errorf("%d lines dropped after there was room again", w.Dropped()-dropped)
	}
}

func TestNothingIsLostTornOrSwapped(t *testing.T) {
	const writers, lines = 8, 2000
	to := new(testkit.Buffer)
	w := proxy.NewLogWriter(to, gapOf)
	stop := start(w.Run)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range lines {
				fmt.Fprintf(w, "%d %d %s\n", i, n, strings.Repeat("x", n%50))
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	for line := range strings.Lines(to.String()) {
		var i, n int
		if _, err := fmt.Sscanf(line, "%d %d", &i, &n); err != nil {
			t.Fatalf("torn: %q", line)
		}
		if want := fmt.Sprintf("%d %d %s\n", i, next[i], strings.Repeat("x", n%50)); line != want {
			t.Fatalf("got %q, want %q", line, want)
		}
		next[i]++
	}
	for i, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines, want %d", i, n, lines)
		}
	}
}

func TestALineIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(testkit.Buffer)
		w := proxy.NewLogWriter(to, nil)
		stop := start(w.Run)
		for _, want := range []string{"one\n", "one\ntwo\n"} {
			fmt.Fprint(w, want[len(want)-4:])
			synctest.Wait() // no time passes
			if got := to.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A disk takes room bytes, then none until there is room again.
type disk struct {
	testkit.Buffer
	room atomic.Int64
}

func newDisk(room int64) *disk {
	d := new(disk)
	d.room.Store(room)
	return d
}

var errFull = errors.New("no space left on device")

func (d *disk) Write(b []byte) (int, error) {
	n := min(len(b), int(d.room.Load()))
	d.room.Add(-int64(n))
	_, _ = d.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestAFullDiskTearsNoLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newDisk(7)
		w := proxy.NewLogWriter(to, nil)
		stop := start(w.Run)
		fmt.Fprint(w, "one\n")
		synctest.Wait()
		fmt.Fprint(w, "two\n") // three bytes of it
		synctest.Wait()
		fmt.Fprint(w, "three\n")
		synctest.Wait()
		if got := to.String(); got != "one\ntwo" {
			t.Fatalf("got %q on a disk of 7 bytes", got)
		}
		to.room.Store(100)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := to.String(); got != "one\ntwo\nthree\n" {
			t.Errorf("got %q", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunReportsThatTheEndIsLost(t *testing.T) {
	w := proxy.NewLogWriter(newDisk(0), nil)
	stop := start(w.Run)
	fmt.Fprint(w, "one\n")
	if err := stop(); !errors.Is(err, errFull) {
		t.Errorf("Run: %v, want %v", err, errFull)
	}
}

// A half is a writer that breaks the contract of io.Writer.
type half struct{ testkit.Buffer }

func (h *half) Write(b []byte) (int, error) { return h.Buffer.Write(b[:(len(b)+1)/2]) }

func TestAWriterThatWritesHalfLosesNothing(t *testing.T) {
	to := new(half)
	w := proxy.NewLogWriter(to, nil)
	fmt.Fprint(w, "a line\n")
	for err := w.Flush(); err != nil; err = w.Flush() {
		if !errors.Is(err, io.ErrShortWrite) {
			t.Fatal(err)
		}
	}
	if got := to.String(); got != "a line\n" {
		t.Errorf("got %q", got)
	}
}

func TestALineBeyondAllBoundsIsDropped(t *testing.T) {
	to := new(testkit.Buffer)
	w := proxy.NewLogWriter(to, gapOf)
	_, _ = w.Write(make([]byte, 9<<20))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "next\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := to.String(); got != gapOf(1)+"next\n" {
		t.Errorf("got %.100q", got)
	}
}
