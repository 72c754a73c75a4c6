package app

import (
	"context"
	"fmt"
	"time"
)

// This file tells a service manager how the process is. After another has taken its
// place a process has nothing more to say.

// told logs that the manager could not be told.
func (a *App) told(err error) {
	if err != nil {
		a.log.Warn("the service manager does not listen", "error", err)
	}
}

// tellReloading says that something is about to change, until tellReady.
func (a *App) tellReloading() {
	if !a.replaced.Load() && !a.ending.Load() {
		a.told(a.opt.Manager.Reloading())
	}
}

// tellReady says that the proxy serves what its file says, also where that is what it
// was before.
func (a *App) tellReady() {
	a.mu.Lock()
	status := fmt.Sprintf("serving: %d listeners, %d services", len(a.listeners), len(a.services))
	a.mu.Unlock()
	if ok, failed := a.reloads.ok.Load(), a.reloads.failed.Load(); ok+failed > 0 {
		status += fmt.Sprintf("; %d reloads, %d refused", ok, failed)
	}
	if !a.replaced.Load() && !a.ending.Load() {
		a.told(a.opt.Manager.Ready(status))
	}
}

func (a *App) tellStopping() {
	if !a.replaced.Load() {
		a.told(a.opt.Manager.Stopping())
	}
}

// tellAlive answers the manager's watchdog for as long as that is true.
func (a *App) tellAlive(ctx context.Context) {
	every := a.opt.Manager.Watchdog() / 2 // as sd_watchdog_enabled(3) recommends
	if every <= 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if a.replaced.Load() {
			return
		}
		if a.isAlive(ctx) {
			a.told(a.opt.Manager.Alive())
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// isAlive waits until every event loop has had a turn and every balancer's state could
// be had. A proxy that hangs there is better started anew; then this hangs, too, which is
// the answer.
func (a *App) isAlive(ctx context.Context) bool {
	if a.loops != nil && !a.loops.Turn(ctx) {
		return false
	}
	a.allChecked()
	return true
}
