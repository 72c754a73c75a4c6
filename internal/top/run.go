package top

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/spillway-lb/spillway/internal/admin"
)

// Options is what Run takes.
type Options struct {
	// Title says whom it shows.
	Title string
	// Ask asks the proxy. Its errors are shown, and it is asked again.
	Ask func(context.Context) ([]admin.ServiceStatus, error)
	// Interval is how often. Default: one second.
	Interval time.Duration
	// Screen is where it is drawn. Run initializes and ends it. Default: the
	// terminal.
	Screen tcell.Screen
}

// ErrNoTerminal says that there is no terminal to draw on.
var ErrNoTerminal = errors.New("there is no terminal here; spillway status prints the same once")

// Run shows the proxy until somebody leaves, or ctx ends; then it returns nil.
func Run(ctx context.Context, o Options) error {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	s := newScreen(o.Title, leave)
	if o.Screen != nil {
		s.app.SetScreen(o.Screen)
	}
	// What waits for the application waits for ever once that has ended. So follow
	// begins when there is something on the screen, and is the one who ends it.
	followed := make(chan struct{})
	begin := sync.OnceFunc(func() {
		go func() {
			defer close(followed)
			defer s.app.Stop()
			s.follow(ctx, o)
		}()
	})
	s.app.SetAfterDrawFunc(func(tcell.Screen) { begin() })
	if err := s.app.Run(); err != nil {
		return fmt.Errorf("%w (%w)", ErrNoTerminal, err)
	}
	<-followed
	return nil
}

// follow asks again and again until ctx ends, and has each answer drawn.
func (s *screen) follow(ctx context.Context, o Options) {
	every := time.NewTicker(o.Interval)
	defer every.Stop()
	for {
		services, err := o.Ask(ctx)
		if ctx.Err() != nil {
			return
		}
		r := Reading{At: time.Now(), Services: services}
		s.app.QueueUpdateDraw(func() { s.take(r, err) })
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}
