package testkit

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// Eventually waits until cond holds, looking every few milliseconds, and fails
// the test after half a minute: for what another goroutine or process does in its
// own time, which on a busy machine may be long.
func Eventually(t testing.TB, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what the test waits for did not happen in half a minute")
		}
	}
}

// A Buffer collects what several goroutines write.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Logger returns a logger that writes every line, of any level, to b.
func Logger(b *Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
