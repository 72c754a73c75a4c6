package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy/udp"
)

// newUDP makes l a listener for datagrams.
func (a *App) newUDP(l *listener, drain time.Duration) {
	l.udp = udp.New(udp.Options{
		Name:         l.spec.Name,
		Addr:         l.spec.Listen,
		Loops:        a.loops,
		MaxSessions:  l.spec.MaxConnections,
		DrainTimeout: drain,
		Log:          a.log.Logger,
		Access:       a.log.access,
	})
	l.door, l.engine = l.udp, l.udp
}

// isOther reports whether two listeners that say the same in listen have different
// addresses all the same: the ports of UDP are not those of TCP.
func isOther(a, b *config.Listener) bool {
	return a.Name != b.Name && (a.Protocol == "UDP") != (b.Protocol == "UDP")
}
