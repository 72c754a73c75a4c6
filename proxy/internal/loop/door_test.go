//go:build linux

package loop

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Epoll refuses a directory, as it refuses sockets when there is no memory.
func TestADoorTriesAgainOnceForAllWhoKnock(t *testing.T) {
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	defer l.inbox.conn.Close()
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{of: &Acceptor{}, loop: l}
	d.open(fd)
	defer d.conn.Close()
	first := d.delay
	for range 10 {
		d.Ready()
	}
	if !d.waiting || first == 0 || d.delay != first {
		t.Errorf("waits %v, and then %v", first, d.delay)
	}
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	l.inbox.done = true // what tries again finds nobody
}
