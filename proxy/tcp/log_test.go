package tcp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogIsLimitedAndSaysWhatItDropped(t *testing.T) {
	var l limitedLog
	admitted := 0
	for range 1000 {
		if _, ok := l.admit(7); ok {
			admitted++
		}
	}
	if admitted != linesPerSecond {
		t.Fatalf("%d lines in a second, want %d", admitted, linesPerSecond)
	}
	dropped, ok := l.admit(8)
	if !ok || dropped != 1000-linesPerSecond {
		t.Fatalf("next second: %v, %d dropped", ok, dropped)
	}
	if dropped, _ := l.admit(8); dropped != 0 {
		t.Fatalf("told twice of %d dropped", dropped)
	}
}

func TestLogShowsNumberOfDroppedLines(t *testing.T) {
	var b bytes.Buffer
	l := limitedLog{log: slog.New(slog.NewTextHandler(&b, nil)), dropped: 3}
	l.warn("hello", "who", "you")
	if got := b.String(); !strings.Contains(got, "msg=hello who=you lines_dropped=3") {
		t.Fatalf("logged %q", got)
	}
}
