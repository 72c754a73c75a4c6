//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/health"
)

var (
	endpoints = flag.Int("endpoints", 10_000, "how many `endpoints`")
	interval  = flag.Duration("interval", time.Second, "from check to check")
	seconds   = flag.Int("seconds", 10, "how long each part takes")
	kind      = flag.String("type", health.TypeTCP, "TCP or HTTP")
	serve     = flag.Bool("serve", false, "be the endpoints (for the program itself)")
)

func main() {
	flag.Parse()
	run := measureAll
	if *serve {
		run = serveAll
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "health:", err)
		os.Exit(1)
	}
}

// startEndpoints starts a process that is all endpoints, and ends with stop.
func startEndpoints() (port int, stop func(), err error) {
	runtime.LockOSThread() // Pdeathsig is about the thread that starts
	cmd := exec.Command("/proc/self/exe", "-serve", "-type", *kind)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	if _, err := fmt.Fscan(out, &port); err != nil {
		return 0, nil, err
	}
	return port, func() { in.Close(); _ = cmd.Wait() }, nil
}

// address is where an endpoint is: each has one of its own.
func address(i, port int) string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+i%3, i/3/250, 1+i/3%250, port)
}
