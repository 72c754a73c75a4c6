package app

import (
	"context"
	"errors"
	"sync"
)

// tasks are the listeners being served. Run owns them; a reload adds to them.
type tasks struct {
	ctx    context.Context // ends when the proxy is to drain
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// background is the life of what traffic needs.
	background      context.Context
	backgroundGroup *sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

func (t *tasks) begin(ctx context.Context) {
	t.ctx, t.cancel = context.WithCancel(ctx)
}

// running reports whether Run has begun.
func (t *tasks) running() bool { return t.background != nil }

// run runs f on a goroutine of its own until stop is called or the proxy
// drains. Its error ends the proxy.
func (t *tasks) run(f func(context.Context) error) (stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.ctx)
	t.wg.Go(func() {
		defer cancel()
		t.fail(f(ctx))
	})
	return cancel
}

// fail notes an error and makes the proxy stop. nil is none.
func (t *tasks) fail(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	t.errs = append(t.errs, err)
	t.mu.Unlock()
	t.cancel()
}

// wait waits for all tasks and returns their errors.
func (t *tasks) wait() error {
	t.wg.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.errs...)
}
