package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Manager is told how this process is.
type Manager struct {
	addr     string
	watchdog time.Duration
}

// FromEnvironment returns the manager that has started this process; nil: none wants to
// know.
func FromEnvironment() *Manager {
	addr := os.Getenv("NOTIFY_SOCKET")
	if addr == "" || !strings.HasPrefix(addr, "/") && !strings.HasPrefix(addr, "@") {
		return nil
	}
	m := &Manager{addr: addr}
	pid := os.Getenv("WATCHDOG_PID")
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 &&
		(pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// Watchdog is how often the manager wants to hear that this process is alive, or it
// ends it; 0: never.
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	return m.watchdog
}

// Ready says that the process serves, also after Reloading. status is for people.
func (m *Manager) Ready(status string) error { return m.tell("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that the process takes in a new configuration, until Ready.
func (m *Manager) Reloading() error {
	return m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// Stopping says that the process has begun to end.
func (m *Manager) Stopping() error { return m.tell("STOPPING=1", "STATUS=draining") }

// Replaced says that another process, which serves, is the service's main one from now
// on. Nothing else that this one says is heard afterwards.
func (m *Manager) Replaced(pid int) error {
	return m.tell(fmt.Sprintf("MAINPID=%d", pid), "READY=1", fmt.Sprintf("STATUS=process %d has taken over", pid))
}

// Alive says that the process is alive, which is to be said more often than Watchdog.
func (m *Manager) Alive() error { return m.tell("WATCHDOG=1") }

// tell sends lines in one datagram. The error is for the log: a service does not end
// because nobody listens to it.
func (m *Manager) tell(lines ...string) error {
	if m == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.addr, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // a manager that is busy must not hold us up
	if _, err := c.Write([]byte(strings.Join(lines, "\n") + "\n")); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}

// oneLine keeps a status from saying more than a status.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
