package tcp

import (
	"log/slog"
	"sync"
	"time"
)

// linesPerSecond is enough to see what is wrong, and does not fill a disk when
// ten thousand clients meet a service that is down.
const linesPerSecond = 10

// A limitedLog drops lines beyond linesPerSecond, and says how many.
type limitedLog struct {
	log *slog.Logger

	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
}

func (l *limitedLog) warn(msg string, args ...any) {
	if dropped, ok := l.admit(time.Now().Unix()); ok {
		if dropped > 0 {
			args = append(args, "lines_dropped", dropped)
		}
		l.log.Warn(msg, args...)
	}
}

// admit reports whether a line may be written in this second, and how many were
// dropped since the last one.
func (l *limitedLog) admit(second int64) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines == linesPerSecond {
		l.dropped++
		return 0, false
	}
	l.lines++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}
