package proxy

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPending is how many bytes of lines wait for a slow writer. At 300
	// bytes a line it is a second's worth for a proxy that is very busy.
	maxPending = 8 << 20
	// maxIdle is the size of a buffer that is kept in any case. What a burst or
	// a slow disk made larger is given back once it is hardly used.
	maxIdle = 256 << 10
)

// A LogWriter stands between a log and a writer that may be slow, such as a full
// pipe or a busy disk: Write never waits for it. Lines gather in memory and Run
// writes them out, in order. Beyond 8 MiB of them lines are dropped and counted;
// where they are missing, the log says how many.
//
// Put one under the handler of a [slog.Logger] that is used where nothing may
// block, such as on an event loop:
//
//	w := proxy.NewLogWriter(os.Stderr, nil)
//	go w.Run(ctx)
//	log := slog.New(slog.NewTextHandler(w, nil))
//
// A process that dies without letting Run return loses what it had not written.
type LogWriter struct {
	to      io.Writer
	missing func(lines uint64) string
	gather  int           // bytes that are worth a write before the second is over
	wake    chan struct{} // capacity 1
	dropped atomic.Uint64

	// Lines go into pending while those in buffer are written out; then the
	// two are swapped. mu is never held during a write.
	mu      sync.Mutex
	pending []byte
	gap     uint64 // lines dropped after those in pending
	taken   int    // bytes in buffer that are still to be written

	flushing sync.Mutex // taken before mu
	buffer   []byte
	rest     []byte // the part of buffer that is still to be written
}

// NewLogWriter returns a LogWriter that writes to w as soon as there is a line.
// missing makes the line that tells of dropped ones, with its newline; nil: they
// are not told, only counted. The caller closes w after Run has returned.
func NewLogWriter(w io.Writer, missing func(lines uint64) string) *LogWriter {
	if missing == nil {
		missing = func(uint64) string { return "" }
	}
	return &LogWriter{to: w, missing: missing, gather: 1, wake: make(chan struct{}, 1)}
}

// Write adds one line, which is kept whole or dropped whole. It copies the line
// and always reports success.
func (w *LogWriter) Write(line []byte) (int, error) {
	if w.add(line) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// add reports whether Run has a reason to write now. From the first line that
// is dropped to the next swap all are, so that a gap has one place and one
// number.
func (w *LogWriter) add(line []byte) (due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.pending)
	if w.gap > 0 || w.taken+before+len(line) > maxPending {
		w.gap++
		w.dropped.Add(1)
		return w.gap == 1
	}
	w.pending = append(w.pending, line...)
	return before < w.gather && len(w.pending) >= w.gather
}

// Dropped returns how many lines were dropped so far.
func (w *LogWriter) Dropped() uint64 { return w.dropped.Load() }

// Run writes lines out until ctx ends, and once more then. It returns the error
// of that last write: the lines that Run had to leave behind are lost. Until
// then what could not be written is tried again every second.
func (w *LogWriter) Run(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-w.wake:
		case <-t.C:
		case <-ctx.Done():
			return w.Flush()
		}
		_ = w.Flush() // kept for the next time
	}
}

// Flush writes out what is there, in the caller's goroutine. What an error
// leaves unwritten is kept, so that no line is torn.
func (w *LogWriter) Flush() error {
	w.flushing.Lock()
	defer w.flushing.Unlock()
	if err := w.writeRest(); err != nil {
		return err
	}
	w.swap()
	return w.writeRest()
}

// swap takes the pending lines. Caller holds flushing, and rest is empty.
func (w *LogWriter) swap() {
	if cap(w.buffer) > max(maxIdle, 8*len(w.buffer)) {
		w.buffer = nil
	}
	w.mu.Lock()
	w.pending, w.buffer = w.buffer[:0], w.pending
	w.taken = len(w.buffer)
	gap := w.gap
	w.gap = 0
	w.mu.Unlock()
	if gap > 0 {
		w.buffer = append(w.buffer, w.missing(gap)...)
	}
	w.rest = w.buffer
}

// writeRest hands rest to the writer. Caller holds flushing.
func (w *LogWriter) writeRest() error {
	if len(w.rest) == 0 {
		return nil
	}
	n, err := w.to.Write(w.rest)
	if n < len(w.rest) && err == nil {
		err = io.ErrShortWrite
	}
	w.rest = w.rest[n:]
	w.mu.Lock()
	w.taken = len(w.rest)
	w.mu.Unlock()
	return err
}
