//go:build unix

package handover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/handover"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// This program is its own successor: what it is to do then is in the environment.
const envRole = "HANDOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		succeed(role)
		os.Exit(0)
	}
	testkit.LeakCheck(m)
}

// succeed is what the successor does.
func succeed(role string) {
	if role == "crashes at once" {
		os.Exit(7)
	}
	h, err := handover.Inherit()
	if err != nil || h == nil {
		fmt.Fprintln(os.Stderr, "nothing to inherit:", err)
		os.Exit(8)
	}
	if again, err := handover.Inherit(); again != nil || err != nil {
		os.Exit(9)
	}
	switch role {
	case "says why not":
		h.Fail(errors.New("the file is wrong"))
		return
	case "hangs":
		time.Sleep(time.Minute)
	}
	var known string
	if err := h.Known(&known); err != nil || known != "at first" {
		os.Exit(15)
	}
	var state map[string]string
	if err := h.Prepared(context.Background(), &state); err != nil {
		os.Exit(10) // the predecessor has given up
	}
	if role == "crashes late" {
		os.Exit(11)
	}
	l, err := net.FileListener(h.Sockets[0].File)
	if err != nil {
		os.Exit(12)
	}
	if h.Serving() != nil {
		os.Exit(13)
	}
	c, err := l.Accept()
	if err != nil {
		os.Exit(14)
	}
	fmt.Fprintf(c, "%s %s %s %v %s", h.Sockets[0].Name, h.Sockets[0].Network, h.Sockets[0].Listen, h.Sockets[0].Shared, state["what"])
	c.Close()
}

// begin starts this program as a successor that has a role.
func begin(t *testing.T, role string, sockets ...handover.Socket) *handover.Successor {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"="+role, "LISTEN_FDS=1")
	cmd.Stderr = os.Stderr
	s, err := handover.Start(cmd, sockets, "at first")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASocketIsPassedWithThoseWhoWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	waits, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	s := begin(t, "serves", handover.Socket{Name: "in", Network: "tcp", Listen: ":80", Addr: l.Addr().String(), Shared: true, File: f})
	f.Close()
	if err := s.Prepared(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Commit(t.Context(), map[string]string{"what": "is known"}); err != nil {
		t.Fatal(err)
	}
	waits.SetDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(waits); err != nil || string(b) != "in tcp :80 true is known" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestASuccessorThatFailsSaysWhy(t *testing.T) {
	for role, want := range map[string]string{
		"says why not":    "the file is wrong",
		"crashes at once": "exit status 7",
		"crashes late":    "exit status 11",
		"hangs":           "no patience",
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			s := begin(t, role)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if role == "hangs" {
				time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("no patience")) })
			}
			err := s.Prepared(ctx)
			if role == "crashes late" && err == nil {
				err = s.Commit(ctx, nil)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestWhoHasNoPredecessorInheritsNothing(t *testing.T) {
	if h, err := handover.Inherit(); h != nil || err != nil {
		t.Errorf("%v, %v", h, err)
	}
	for _, nonsense := range []string{"x", "-1", "1", "77"} {
		t.Setenv("SPILLWAY_HANDOVER_FD", nonsense)
		if h, err := handover.Inherit(); h != nil || err == nil || !strings.Contains(err.Error(), nonsense) {
			t.Errorf("%q: %v, %v", nonsense, h, err)
		}
	}
}

func TestSelfIsThePathThatWasCalled(t *testing.T) {
	path, args, err := handover.Self()
	if err != nil || path == "" || len(args) != len(os.Args)-1 {
		t.Fatalf("%q %q %v", path, args, err)
	}
	a, err1 := os.Stat(path)
	b, err2 := os.Stat(os.Args[0])
	if err1 != nil || err2 != nil || !os.SameFile(a, b) {
		t.Errorf("%q is not %q", path, os.Args[0])
	}
}
