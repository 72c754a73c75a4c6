package proxy

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestLimitedLogSaysWhatItLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(testkit.Buffer)
		l := NewLimitedLog(testkit.Logger(out), 3)
		for range 10 {
			l.Write(slog.LevelWarn, "again")
		}
		time.Sleep(time.Second)
		l.Write(slog.LevelWarn, "later")
		got := out.String()
		if n := strings.Count(got, "msg=again"); n != 3 {
			t.Errorf("%d lines in one second, want 3", n)
		}
		if !strings.Contains(got, "msg=later lines_dropped=7") {
			t.Errorf("got %s", got)
		}
	})
}
