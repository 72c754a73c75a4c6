//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A process is one that the harness started and will stop, by its own pid: proxies, endpoints, strace.
type process struct {
	cmd  *exec.Cmd
	log  string        // the file with its standard output and error; "" when they go elsewhere
	gone chan struct{} // closed when it has ended
}

// unpinned lets a process run on every core.
const unpinned = -1

// start runs a command on one core (or unpinned), in a process group of its own, so that a Ctrl-C in the terminal reaches
// only the harness, which then stops all in order. Should the harness die without that, the kernel sends SIGTERM
// (PR_SET_PDEATHSIG is about the thread that starts, so main keeps its thread for ever).
func start(core int, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if core == unpinned {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := currentCores()
	if err != nil {
		return err
	}
	if err := pinThread(oneCore(core)); err != nil {
		return fmt.Errorf("core %d: %w", core, err)
	}
	return errors.Join(cmd.Start(), pinThread(before))
}

// launch starts a process that stays; its output goes to a file.
func launch(core int, log string, env []string, argv ...string) (*process, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := start(core, cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, gone: make(chan struct{})}
	go p.reap()
	return p, nil
}

// reap waits for the end; stop waits for reap.
func (p *process) reap() {
	_ = p.cmd.Wait() // how a stopped process ended is of no interest
	close(p.gone)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks with the signal, insists after two seconds, and returns when the process is gone.
func (p *process) stop(sig syscall.Signal) {
	if !p.ended() {
		_ = syscall.Kill(p.pid(), sig)
		select {
		case <-p.gone:
		case <-time.After(2 * time.Second):
		}
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // its group: workers that outlived their master
	<-p.gone
}

// startTimeout is how long a process may take until it accepts connections.
const startTimeout = 10 * time.Second

// until polls for a condition; it is an error when the process ends first or it takes too long.
func (p *process) until(ctx context.Context, ready func() bool) error {
	deadline := time.Now().Add(startTimeout)
	for !ready() {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case p.ended():
			return fmt.Errorf("it ended: %s", p.said())
		case time.Now().After(deadline):
			return fmt.Errorf("it is not ready after %v: %s", startTimeout, p.said())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// ended says whether the process is gone already.
func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// said returns the end of the process's log, for error messages.
func (p *process) said() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-1000):]))
}

// run executes a command that ends by itself, feeding it input; it is killed when ctx ends.
func run(ctx context.Context, core int, env []string, input []byte, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &errs
	if err := start(core, cmd); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}
