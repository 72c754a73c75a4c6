package top_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/internal/top"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// A show is top on a screen that is none.
type show struct {
	t      *testing.T
	screen tcell.SimulationScreen
	ended  chan error
}

func newShow(t *testing.T, ctx context.Context, ask func(context.Context) ([]admin.ServiceStatus, error)) *show {
	s := &show{t, tcell.NewSimulationScreen("UTF-8"), make(chan error, 1)}
	// Before the first question the screen is not there yet, and its end, which takes no
	// lock, comes only when that is answered.
	drawn := make(chan struct{})
	begin := sync.OnceFunc(func() {
		s.screen.SetSize(140, 25)
		close(drawn)
	})
	answer := ask
	ask = func(ctx context.Context) ([]admin.ServiceStatus, error) {
		begin()
		return answer(ctx)
	}
	go func() {
		s.ended <- top.Run(ctx, top.Options{Title: "127.0.0.1:9900", Ask: ask, Interval: time.Millisecond, Screen: s.screen})
	}()
	<-drawn
	return s
}

// shows waits until the screen shows something.
func (s *show) shows(text string) {
	s.t.Helper()
	testkit.Eventually(s.t, func() bool { return strings.Contains(s.text(), text) })
}

func (s *show) text() string {
	width, height := s.screen.Size()
	var b strings.Builder
	for y := range height {
		for x := range width {
			text, _, _ := s.screen.Get(x, y)
			b.WriteString(text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *show) press(key rune) {
	s.screen.InjectKey(tcell.KeyRune, key, tcell.ModNone)
}

func (s *show) end() {
	s.t.Helper()
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
}

func TestItShowsWhatTheProxySays(t *testing.T) {
	var asked atomic.Uint64
	s := newShow(t, t.Context(), func(context.Context) ([]admin.ServiceStatus, error) {
		ill := endpoint("10.0.0.2:80", 0)
		ill.Health, ill.Reason = "UNHEALTHY", "connection refused"
		return service(endpoint("10.0.0.1:80", asked.Add(1)), ill), nil
	})
	for _, text := range []string{"127.0.0.1:9900", "web", "MAGLEV", "near", "10.0.0.1:80", "HEALTHY", "connection refused", "2 endpoints, 1 in trouble"} {
		s.shows(text)
	}
	s.press('s')
	s.shows("by rate")
	s.press('t')
	s.shows("1 endpoints, 1 in trouble")
	s.press('p')
	s.shows("paused")
	s.press('q')
	s.end()
}

func TestAProxyThatIsGoneIsShownAndAskedAgain(t *testing.T) {
	var back atomic.Bool
	s := newShow(t, t.Context(), func(context.Context) ([]admin.ServiceStatus, error) {
		if !back.Load() {
			return nil, errors.New("nobody is there")
		}
		return service(endpoint("a", 0)), nil
	})
	s.shows("nobody is there")
	back.Store(true)
	s.shows("1 endpoints")
	s.press('q')
	s.end()
}

func TestItEndsWithItsContext(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	s := newShow(t, ctx, func(ctx context.Context) ([]admin.ServiceStatus, error) {
		end()
		<-ctx.Done() // a proxy that does not answer
		return nil, ctx.Err()
	})
	s.end()
}
