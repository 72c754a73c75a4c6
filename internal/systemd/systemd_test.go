package systemd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/systemd"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

func TestNobodyIsToldWhereThereIsNobody(t *testing.T) {
	for _, addr := range []string{"", "vsock:2:1234", "notify"} {
		t.Setenv("NOTIFY_SOCKET", addr)
		if m := systemd.FromEnvironment(); m != nil || m.Watchdog() != 0 || m.Ready("x") != nil {
			t.Errorf("%q is a manager", addr)
		}
	}
}

func TestTheWatchdogIsForWhomItIsMeant(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0}, {"1500000", "", 1500 * time.Millisecond}, {"1500000", fmt.Sprint(os.Getpid()), 1500 * time.Millisecond},
		{"1500000", "1", 0}, {"-1", "", 0}, {"soon", "", 0}, {"99999999999999999999", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := systemd.FromEnvironment().Watchdog(); got != c.want {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}

func TestAManagerThatIsGoneIsAnError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := systemd.FromEnvironment().Alive(); err == nil {
		t.Error("nobody heard it, and that was no error")
	}
}

func TestSocketsOfAnotherProcessAreLeftAlone(t *testing.T) {
	for _, c := range []struct {
		pid, fds string
		bad      bool
	}{
		{"", "1", false}, {"1", "1", false}, {fmt.Sprint(os.Getpid()), "", false},
		{fmt.Sprint(os.Getpid()), "x", true}, {fmt.Sprint(os.Getpid()), "-1", true}, {fmt.Sprint(os.Getpid()), "999999999", true},
	} {
		t.Setenv("LISTEN_PID", c.pid)
		t.Setenv("LISTEN_FDS", c.fds)
		s, err := systemd.Sockets()
		if len(s) > 0 || runtime.GOOS == "linux" && (err != nil) != c.bad {
			t.Errorf("LISTEN_PID=%q LISTEN_FDS=%q: %v, %v", c.pid, c.fds, s, err)
		}
	}
}

func ExampleManager() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	addr := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	c, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	os.Setenv("NOTIFY_SOCKET", addr.Name)
	defer os.Unsetenv("NOTIFY_SOCKET")

	m := systemd.FromEnvironment()
	m.Ready("serving")
	b := make([]byte, 100)
	n, _ := c.Read(b)
	fmt.Print(string(b[:n]))
	// Output:
	// READY=1
	// STATUS=serving
}
