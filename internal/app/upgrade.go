package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/internal/handover"
)

// Errors of Upgrade and Reload.
var (
	errUpgrading = errors.New("an upgrade is under way")
	errDraining  = errors.New("the proxy is draining")
	errReplaced  = errors.New("another process has taken over")
)

const (
	// prepareTimeout is how long a successor has until it could serve; checksTimeout
	// how long it waits for the first round of its health checks, of this.
	prepareTimeout = 60 * time.Second
	checksTimeout  = 30 * time.Second
	// commitTimeout is how long it has then to begin, while the operator's words wait.
	commitTimeout = 10 * time.Second
)

// Upgrade starts Options.Successor, waits until it serves on this process's sockets,
// and makes Run drain and return. It returns the successor's process id. On an error,
// which says why there is none, nothing has changed; but where Run is to end meanwhile
// it does, and takes the successor with it.
func (a *App) Upgrade() (pid int, err error) {
	pid, err = a.upgrade()
	switch {
	case errors.Is(err, errDraining):
		a.log.Warn("no upgrade: this process is to end", "error", err)
		return 0, err
	case err != nil:
		a.log.Error("upgrade failed; this process goes on", "error", err)
		return 0, err
	}
	a.log.Info("upgraded: another process has taken over", "pid", pid)
	return pid, nil
}

func (a *App) upgrade() (int, error) {
	switch {
	case a.replaced.Load():
		return 0, errReplaced
	case a.opt.Successor == nil:
		return 0, errors.New("this process does not know how it was started")
	case os.Getpid() == 1:
		return 0, errors.New("this is process 1: its end would be that of its container, and of the successor in it")
	case !a.upgrading.CompareAndSwap(false, true):
		return 0, errUpgrading
	}
	done := false
	defer func() { a.upgrading.Store(done) }()
	if err := a.settle(); err != nil {
		return 0, err
	}
	a.tellReloading()
	defer a.tellReady() // unless it has been replaced
	s, err := a.startSuccessor()
	if err != nil {
		return 0, a.orEnd(err)
	}
	if err := a.whileRunning(prepareTimeout, s.Prepared); err != nil {
		return 0, fmt.Errorf("process %d: %w", s.PID(), err)
	}
	err = a.words.handOver(func() error {
		return a.whileRunning(commitTimeout, func(ctx context.Context) error { return s.Commit(ctx, a.state()) })
	})
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", s.PID(), err)
	}
	done = true
	a.told(a.opt.Manager.Replaced(s.PID()))
	a.replaced.Store(true)
	a.leave()
	return s.PID(), nil
}

// settle waits for a reload that has begun, and says why there is nothing to hand over.
// The next reload sees that an upgrade is under way.
func (a *App) settle() error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.tasks.running():
		return errors.New("this process does not serve yet")
	case a.tasks.ctx.Err() != nil:
		return errDraining
	}
	return nil
}

func (a *App) startSuccessor() (*handover.Successor, error) {
	cmd, err := a.opt.Successor()
	if err != nil {
		return nil, err
	}
	sockets, err := a.sockets()
	if err != nil {
		return nil, err
	}
	defer handover.Close(sockets)
	return handover.Start(cmd, sockets, a.outset())
}

// whileRunning calls f with a context that ends after a time, or when this process is
// to end.
func (a *App) whileRunning(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(a.tasks.ctx, d, fmt.Errorf("it was not ready within %v", d))
	defer cancel()
	return a.orEnd(f(ctx))
}

// orEnd is err, or that the process is to end if that came between.
func (a *App) orEnd(err error) error {
	if err != nil && a.tasks.ctx.Err() != nil {
		return errDraining
	}
	return err
}

// leave drains what the successor does not have.
func (a *App) leave() {
	a.mu.Lock()
	for _, l := range a.listeners {
		l.HandOver()
	}
	a.mu.Unlock()
	if a.admin != nil {
		a.admin.handOver()
	}
	a.tasks.cancel()
}

// upgradeOrNil is Upgrade for the admin API.
func (a *App) upgradeOrNil() func() (int, error) {
	if a.opt.Successor == nil {
		return nil
	}
	return a.Upgrade
}

// awaitTurn is the first half of taking a predecessor's place: when the first round of
// health checks is over, what it knows is asked for.
func (a *App) awaitTurn() error {
	if a.opt.Heir == nil {
		return nil
	}
	a.waitForChecks()
	var s state
	if err := a.opt.Heir.Prepared(a.tasks.ctx, &s); err != nil {
		return err
	}
	a.restore(&s)
	return nil
}

// waitForChecks keeps a successor from sending clients to endpoints of which it does
// not know yet that they are ill.
func (a *App) waitForChecks() {
	timer := time.NewTimer(checksTimeout)
	defer timer.Stop()
	select {
	case <-a.checked:
	case <-timer.C:
		a.log.Warn("the first round of health checks is not over; this process takes over all the same", "after", checksTimeout)
	case <-a.tasks.ctx.Done():
	}
}

// takeOver is the second half: this process accepts, so the other need not any more.
// Whoever hears from that one that it is done may ask for the next upgrade, or a reload,
// before this one has got so far: that waits, see settle.
func (a *App) takeOver() {
	if a.opt.Heir == nil {
		return
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	a.upgrading.Store(false)
	if err := a.opt.Heir.Serving(); err != nil {
		a.log.Warn("the process that was to be replaced is gone", "error", err)
	}
	a.own()
	a.log.Info("taken over from another process", "pid", os.Getpid())
}

// words are the operator's, which may not get lost between two processes.
type words struct {
	mu   sync.Mutex
	gone bool // to another process
}

// say changes something by the operator's word, unless it has to be said elsewhere.
func (w *words) say(change func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return errReplaced
	}
	return change()
}

// handOver passes on what has been said; whoever has something to say waits.
func (w *words) handOver(pass func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := pass()
	w.gone = err == nil
	return err
}
