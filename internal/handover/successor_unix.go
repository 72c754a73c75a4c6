//go:build unix

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// envWire names the descriptor of the successor's end.
const envWire = "SPILLWAY_HANDOVER_FD"

// A Successor is a process that is to take this one's place.
type Successor struct {
	cmd   *exec.Cmd
	wire  wire
	ended chan struct{}
	how   error // of its end, after ended
}

// Start starts cmd with what it needs to Inherit, and sends it sockets, which stay the
// caller's, and what it should know from the beginning. Of cmd's environment, which is this process's unless it says another,
// what is meant for this process alone is left out.
func Start(cmd *exec.Cmd, sockets []Socket, known any) (*Successor, error) {
	state, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	w, other, err := pair()
	if err != nil {
		return nil, err
	}
	defer other.Close()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, other)
	cmd.Env = append(withoutOwn(cmd.Env), fmt.Sprintf("%s=%d", envWire, 2+len(cmd.ExtraFiles)))
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, err
	}
	s := &Successor{cmd: cmd, wire: w, ended: make(chan struct{})}
	go s.reap()
	w.within(sendTimeout)
	if err := w.send(message{Sockets: sockets, State: state}); err != nil {
		return nil, s.giveUp(err)
	}
	return s, nil
}

// sendTimeout is for a process that does not even read.
const sendTimeout = 10 * time.Second

// withoutOwn leaves out what systemd, or a predecessor, has said to this process.
func withoutOwn(env []string) []string {
	var out []string
	for _, v := range env {
		switch name, _, _ := strings.Cut(v, "="); name {
		case envWire, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID":
		default:
			out = append(out, v)
		}
	}
	return out
}

func (s *Successor) reap() {
	s.how = s.cmd.Wait()
	close(s.ended)
}

// PID is the successor's.
func (s *Successor) PID() int { return s.cmd.Process.Pid }

// Prepared waits until the successor could serve. On an error, which says why it
// cannot, the successor is gone.
func (s *Successor) Prepared(ctx context.Context) error {
	return s.await(ctx, func(m message) bool { return m.Prepared })
}

// Commit tells the successor what this process knows, and waits until it serves. It
// fails as Prepared does.
func (s *Successor) Commit(ctx context.Context, state any) error {
	b, err := json.Marshal(state)
	if err != nil {
		return s.giveUp(err)
	}
	s.wire.within(sendTimeout)
	if err := s.wire.send(message{State: b}); err != nil {
		return s.giveUp(err)
	}
	err = s.await(ctx, func(m message) bool { return m.Serving })
	if err == nil {
		_ = s.wire.Close()
	}
	return err
}

func (s *Successor) await(ctx context.Context, done func(message) bool) error {
	s.wire.within(0)
	stop := context.AfterFunc(ctx, func() { s.wire.within(time.Nanosecond) })
	defer stop()
	m, err := s.wire.receive()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err != nil:
	case m.Failed != "":
		err = errors.New(m.Failed)
	case !done(m):
		err = errors.New("it says something else than was agreed")
	default:
		return nil
	}
	return s.giveUp(err)
}

// giveUp ends the successor, and returns why: its own end, if that came first.
func (s *Successor) giveUp(err error) error {
	_ = s.wire.Close()
	if isHungUp(err) { // it is about to end, or has
		select {
		case <-s.ended:
			how := "without a word"
			if s.how != nil {
				how = s.how.Error()
			}
			return fmt.Errorf("it ended before it was ready: %s", how)
		case <-time.After(endTimeout):
		}
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	return err
}

// isHungUp reports whether an error means that the other end is closed.
func isHungUp(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// endTimeout is how long a process may take to end that has closed its end.
const endTimeout = 5 * time.Second
