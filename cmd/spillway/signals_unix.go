//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notify receives the signals that mean something to the proxy.
func notify() (<-chan os.Signal, func()) {
	got := make(chan os.Signal, 8)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2)
	return got, func() { signal.Stop(got) }
}

// What a signal asks for.
func asksReload(s os.Signal) bool  { return s == syscall.SIGHUP }
func asksUpgrade(s os.Signal) bool { return s == syscall.SIGUSR2 }
