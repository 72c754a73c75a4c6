//go:build !unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notify receives those of the proxy's signals that exist here.
func notify() (<-chan os.Signal, func()) {
	got := make(chan os.Signal, 8)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	return got, func() { signal.Stop(got) }
}

// Without HUP and USR2, reload goes by the admin API.
func asksReload(os.Signal) bool  { return false }
func asksUpgrade(os.Signal) bool { return false }
