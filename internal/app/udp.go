package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy/udp"
)

// newUDP makes l a listener for datagrams.
func (a *App) newUDP(l *listener, drain time.Duration, sockets []*os.File) {
	l.udp = udp.New(udp.Options{
		Name:         l.spec.Name,
		Addr:         l.spec.Listen,
		Loops:        a.loops,
		MaxSessions:  l.spec.MaxConnections,
		DrainTimeout: drain,
		Sockets:      sockets,
		Log:          a.log.Logger,
		Access:       a.log.access,
	})
	l.door, l.engine = l.udp, l.udp
}

// openUDP opens l's address. Where one that a reload has removed has it still, because
// of its last sessions, these end now: their clients' next datagrams are for l. Caller
// holds a.mu.
func (a *App) openUDP(l *listener) error {
	err := l.Listen()
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	var until time.Time
	_, port, _ := net.SplitHostPort(l.spec.Listen)
	for _, old := range a.leaving {
		if old.udp != nil && fmt.Sprint(old.udp.LocalAddr().(*net.UDPAddr).Port) == port {
			a.log.Info("sessions aborted: their address is wanted again", "listener", old.spec.Name, "sessions", old.udp.Active())
			old.udp.Abort()
			until = time.Now().Add(addressWait)
		}
	}
	for errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
		err = l.Listen()
	}
	return err
}

// addressWait is for an address that is free in a moment.
const addressWait = time.Second

// isOther reports whether two listeners that say the same in listen have different
// addresses all the same: the ports of UDP are not those of TCP.
func isOther(a, b *config.Listener) bool {
	return a.Name != b.Name && (a.Protocol == "UDP") != (b.Protocol == "UDP")
}
