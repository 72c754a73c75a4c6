package main

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/spillway-lb/spillway/internal/app"
)

// A fullPipe takes nothing until it is read.
type fullPipe chan struct{}

func (p fullPipe) Write(b []byte) (int, error) {
	<-p
	return len(b), nil
}

func TestAnEndThatNobodyReadsOfIsAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := make(fullPipe)
		c := &console{err: pipe}
		err := c.tryToSay(app.ErrUnread) // or the test's goroutines are deadlocked
		var said errSaid
		if !errors.As(err, &said) || exitCode(err) != exitFailure {
			t.Errorf("got %v, exit code %d; want it said, and %d", err, exitCode(err), exitFailure)
		}
		close(pipe) // lets the goroutine go that was left behind
	})
}
