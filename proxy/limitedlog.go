package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A LimitedLog writes so many lines a second and no more: enough to see what is
// wrong, without filling a disk when ten thousand clients meet a service that
// is down. The next line that is written says how many were not.
type LimitedLog struct {
	log       *slog.Logger
	perSecond int

	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
}

// NewLimitedLog returns a log that writes to log, in the goroutine of who calls
// Write: where nothing may block, log has a [LogWriter] under it.
func NewLimitedLog(log *slog.Logger, perSecond int) *LimitedLog {
	return &LimitedLog{log: log, perSecond: perSecond}
}

// Enabled reports whether lines of this level are wanted at all, so that nobody
// makes one in vain.
func (l *LimitedLog) Enabled(level slog.Level) bool {
	return l.log.Enabled(context.Background(), level)
}

// Write writes a line, or counts it as dropped.
func (l *LimitedLog) Write(level slog.Level, msg string, attrs ...slog.Attr) {
	dropped, ok := l.admit(time.Now().Unix())
	if !ok {
		return
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("lines_dropped", dropped))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// admit reports whether a line may be written in this second, and how many were
// dropped since the last one.
func (l *LimitedLog) admit(second int64) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines == l.perSecond {
		l.dropped++
		return 0, false
	}
	l.lines++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}
