package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A stuckPipe takes nothing until it is read.
type stuckPipe struct {
	testkit.Buffer
	read chan struct{}
}

func (p *stuckPipe) Write(b []byte) (int, error) {
	<-p.read
	return p.Buffer.Write(b)
}

func logsTo(t *testing.T, to *stuckPipe, format string) *logs {
	t.Helper()
	cfg := new(config.Config)
	cfg.Log.Level, cfg.Log.Format, cfg.Proxy.ID = "error", format, "p"
	l, err := newLogs(cfg, &Options{LogTo: to})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLogsThatNobodyReadsAreGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuckPipe{read: make(chan struct{})}
		l := logsTo(t, to, "text")
		finish := l.start()
		l.Error("unread")
		begin := time.Now()
		if err := finish(); !errors.Is(err, ErrUnread) {
			t.Errorf("got %v, want %v", err, ErrUnread)
		}
		if waited := time.Since(begin); waited != logGrace {
			t.Errorf("given up after %v, want %v", waited, logGrace)
		}
		close(to.read) // lets the goroutine go that was left behind
	})
}

func TestLogsAreWrittenToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuckPipe{read: make(chan struct{})}
		l := logsTo(t, to, "text")
		l.Error("before the start")
		finish := l.start()
		for i := range 1000 {
			l.Error(fmt.Sprint("line", i))
		}
		time.AfterFunc(logGrace/2, func() { close(to.read) })
		if err := finish(); err != nil {
			t.Error(err)
		}
		got := to.String()
		if n := strings.Count(got, "\n"); n != 1001 {
			t.Errorf("%d lines, want 1001", n)
		}
		if !strings.Contains(got, "msg=line999 ") {
			t.Error("the last line is missing")
		}
	})
}

// Whatever the level is, and in the log's own format.
func TestTheLogSaysHowManyLinesAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuckPipe{read: make(chan struct{})}
		l := logsTo(t, to, "json")
		finish := l.start()
		for range 1000 {
			l.Error(strings.Repeat("x", 16<<10))
		}
		dropped, _ := l.dropped()
		close(to.read)
		if err := finish(); err != nil {
			t.Error(err)
		}
		var lines, missing uint64
		for line := range strings.Lines(to.String()) {
			var got struct {
				Msg     string
				Proxy   string
				Missing uint64 `json:"lines_dropped"`
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v: %.100q", err, line)
			}
			if got.Msg == "log lines dropped" && got.Proxy != "" {
				missing += got.Missing
				continue
			}
			lines++
		}
		if missing == 0 || missing != dropped || lines+missing != 1000 {
			t.Errorf("%d lines, %d said to be missing, %d counted, of 1000", lines, missing, dropped)
		}
	})
}
