package discovery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options is what NewWatcher takes.
type Options struct {
	// Group is what the endpoints belong to, for the log.
	Group string
	// Source is asked. It is the watcher's alone.
	Source Source
	// Last is what is known already, such as the last good answer of a watcher that
	// this one replaces. Default: nothing.
	Last []Endpoint
	// Changed is called when a good answer differs from the one before. It may
	// keep the list, but not modify it. It is called from Look and Run.
	Changed func([]Endpoint)
	// Log gets a line for every change, and one for what goes wrong when it begins
	// to. Default: none.
	Log *slog.Logger
}

// The waits after a failure: twice as long each time.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Counters count a watcher's questions by what came of them.
type Counters struct {
	Changed   atomic.Uint64 // a good answer, not the one before
	Unchanged atomic.Uint64 // the same good answer again
	Nobody    atomic.Uint64 // the source named nobody
	Failed    atomic.Uint64 // it could not be asked, or understood
}

// A Watcher asks a source again and again. Create it with NewWatcher.
type Watcher struct {
	opt Options
	// Counters may be read at any time.
	Counters Counters

	mu   sync.Mutex
	last []Endpoint // not modified once it is here

	// Look's and Run's.
	wait     time.Duration // until the next question
	failures int           // in a row
	trouble  string        // what was logged last; "" if all is well
}

// NewWatcher returns a watcher that knows o.Last.
func NewWatcher(o Options) *Watcher {
	if o.Changed == nil {
		o.Changed = func([]Endpoint) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("group", o.Group, "source", o.Source.String())
	last := slices.Clone(o.Last)
	Sort(last)
	return &Watcher{opt: o, last: last}
}

// Endpoints returns the last good answer, sorted; nil while there was none. The
// list is shared.
func (w *Watcher) Endpoints() []Endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Run asks until ctx ends, and then returns nil. Where Look was called before, Run
// goes on from there.
func (w *Watcher) Run(ctx context.Context) error {
	for {
		t := time.NewTimer(w.wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		w.Look(ctx)
	}
}

// Look asks once. It is not for use beside Run.
func (w *Watcher) Look(ctx context.Context) {
	a, err := w.opt.Source.Look(ctx)
	switch {
	case err != nil && ctx.Err() != nil && context.Cause(ctx) == context.Canceled:
		return // nobody wants to know any more
	case err == nil && !a.Unchanged && len(a.Endpoints) == 0:
		err = ErrNobody
	}
	if err != nil {
		w.failed(a, err)
		return
	}
	w.failures = 0
	w.wait = a.TTL + jitter(a.TTL)
	if a.Unchanged {
		return
	}
	w.use(a)
}

// use takes over a good answer.
func (w *Watcher) use(a Answer) {
	endpoints := slices.Clone(a.Endpoints)
	Sort(endpoints)
	w.tell(a.Warning, "the answer has a flaw", "")
	w.mu.Lock()
	before := w.last
	w.last = endpoints
	w.mu.Unlock()
	if slices.Equal(before, endpoints) {
		w.Counters.Unchanged.Add(1)
		return
	}
	w.Counters.Changed.Add(1)
	came, went := difference(before, endpoints)
	w.opt.Log.Info("endpoints found", "endpoints", len(endpoints), "new", came, "gone", went)
	w.opt.Changed(endpoints)
}

// failed keeps what there is.
func (w *Watcher) failed(a Answer, err error) {
	if errors.Is(err, ErrNobody) {
		w.Counters.Nobody.Add(1)
	} else {
		w.Counters.Failed.Add(1)
	}
	consequence := "the endpoints stay as they are"
	if len(w.Endpoints()) == 0 {
		consequence = "the group has no endpoints yet"
	}
	w.tell(err.Error(), "endpoints not found", consequence)
	w.wait = a.TTL
	if w.wait == 0 {
		w.wait = min(firstRetry<<min(w.failures, 10), lastRetry)
		w.wait += jitter(w.wait)
	}
	w.failures++
}

// tell logs trouble when it begins, changes and ends.
func (w *Watcher) tell(trouble, message, consequence string) {
	if trouble == w.trouble {
		return
	}
	w.trouble = trouble
	switch {
	case trouble == "":
		w.opt.Log.Info("the source answers")
	case consequence == "":
		w.opt.Log.Warn(message, "warning", trouble)
	default:
		w.opt.Log.Warn(message, "error", trouble, "consequence", consequence)
	}
}

// jitter keeps those who began together from asking together for ever. It only
// adds: what a cache has in between has expired there too, by then.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d/10 + 1)
}

// difference counts who is in one of two lists only.
func difference(before, after []Endpoint) (came, went int) {
	known := make(map[string]bool, len(before))
	for _, e := range before {
		known[e.ID] = true
	}
	for _, e := range after {
		if !known[e.ID] {
			came++
		}
		delete(known, e.ID)
	}
	return came, len(known)
}
