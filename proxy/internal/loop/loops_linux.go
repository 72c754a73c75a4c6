package loop

import (
	"context"
	"runtime"
	"sync"
)

// Loops is event loops, one for each core, that engines share.
type Loops struct {
	all []*Loop
}

// New returns n loops; 0: as many as there are cores to run on (GOMAXPROCS).
// panicked is told of panics in handlers, each of which has ended its
// connection and nothing else.
func New(n int, panicked func(value any, stack []byte)) (*Loops, error) {
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	ls := new(Loops)
	for range n {
		l, err := newLoop()
		if err != nil {
			ls.discard()
			return nil, err
		}
		l.panicked = panicked
		ls.all = append(ls.all, l)
	}
	return ls, nil
}

// discard closes loops that are not run.
func (ls *Loops) discard() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ls.Run(ctx)
}

// Run runs the loops until ctx ends; then it closes every connection that is
// left, and returns nil when all are gone. Loops run once.
func (ls *Loops) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, l := range ls.all {
		wg.Go(func() { l.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Turn waits until every loop has had a turn, or ctx ends. It reports whether all had:
// one that has not is stuck, or did not run.
func (ls *Loops) Turn(ctx context.Context) bool {
	turns := make(chan struct{}, len(ls.all))
	for _, l := range ls.all {
		if !l.Post(func() { turns <- struct{}{} }) {
			return false
		}
	}
	for range ls.all {
		select {
		case <-turns:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// All has the loops.
func (ls *Loops) All() []*Loop { return ls.all }
