package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// logs are what the proxy tells the operator: the log, and the access log. Who
// writes to them never waits for a disk or for who reads a pipe.
type logs struct {
	*slog.Logger
	level  *slog.LevelVar   // nil where the logger is not ours
	out    *proxy.LogWriter // under Logger; nil where it is not ours
	access *proxy.AccessLog // nil: off
	file   io.Closer        // what access writes to; nil if we did not open it
}

// logGrace is how long logs may take to be written at the end.
const logGrace = 10 * time.Second

// ErrUnread is in Run's error when the logs could not be written to the end,
// because a pipe is full and nobody reads it. Standard error may be that pipe.
var ErrUnread = errors.New("the end of the logs is lost: nobody reads them")

func newLogs(cfg *config.Config, o *Options) (*logs, error) {
	l := &logs{Logger: o.Log}
	if l.Logger == nil {
		l.open(cfg, cmp.Or[io.Writer](o.LogTo, os.Stderr))
	}
	return l, l.openAccess(cfg.Log.Access)
}

// open makes the logger that the file describes.
func (l *logs) open(cfg *config.Config, to io.Writer) {
	l.level = new(slog.LevelVar)
	l.setLevel(cfg.Log.Level)
	id := cfg.Proxy.ID
	if id == "" {
		id, _ = os.Hostname() // a nameless host has a nameless proxy
	}
	logger := func(w io.Writer, level slog.Leveler) *slog.Logger {
		o := &slog.HandlerOptions{Level: level}
		if cfg.Log.Format == "json" {
			return slog.New(slog.NewJSONHandler(w, o)).With("proxy", id)
		}
		return slog.New(slog.NewTextHandler(w, o)).With("proxy", id)
	}
	l.out = proxy.NewLogWriter(to, func(lines uint64) string {
		var line bytes.Buffer // whatever the level: lines of any may be missing
		logger(&line, slog.LevelWarn).Warn("log lines dropped", "lines_dropped", lines)
		return line.String()
	})
	l.Logger = logger(l.out, l.level)
}

func (l *logs) setLevel(name string) {
	if l.level == nil {
		return
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(strings.ToUpper(name))) // config has checked it
	l.level.Set(level)
}

func (l *logs) openAccess(where string) error {
	switch where {
	case "", "off":
		return nil
	case "stdout":
		l.access = proxy.NewAccessLog(os.Stdout)
	case "stderr":
		l.access = proxy.NewAccessLog(os.Stderr)
	default:
		f, err := os.OpenFile(where, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
		if err != nil {
			return err
		}
		l.access, l.file = proxy.NewAccessLog(f), f
	}
	return nil
}

// start writes the logs out until finish is called, which waits until all of
// them is written, and closes the access log.
func (l *logs) start() (finish func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	written := make(chan error, 1)
	go func() { written <- l.run(ctx) }()
	return func() error {
		cancel()
		t := time.NewTimer(logGrace)
		defer t.Stop()
		var err error
		select {
		case err = <-written:
		case <-t.C: // nothing can interrupt a write to a pipe that nobody reads
			err = ErrUnread
		}
		return errors.Join(err, l.close())
	}
}

func (l *logs) run(ctx context.Context) error {
	var wg sync.WaitGroup
	var errs [2]error
	if l.out != nil {
		wg.Go(func() { errs[0] = named("log", l.out.Run(ctx)) })
	}
	if l.access != nil {
		wg.Go(func() { errs[1] = named("access log", l.access.Run(ctx)) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func (l *logs) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func named(log string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", log, err)
}

// dropped counts the lines that each log had no room for.
func (l *logs) dropped() (log, access uint64) {
	if l.out != nil {
		log = l.out.Dropped()
	}
	if l.access != nil {
		access = l.access.Dropped()
	}
	return log, access
}
