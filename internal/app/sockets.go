package app

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/handover"
	"github.com/spillway-lb/spillway/proxy"
)

// This file is about sockets that were open when the process began: a predecessor's,
// or a service manager's.

// adminName is what the admin API's socket is called.
const adminName = "admin"

// wantOf says which sockets are a listener's.
func wantOf(l *config.Listener) handover.Want {
	network := "tcp"
	if l.Protocol == "UDP" {
		network = "udp"
	}
	return wantAt(l.Name, network, l.Listen)
}

// wantAt is wantOf for an address of the file; network is what it is unless it is a
// Unix socket's.
func wantAt(name, network, listen string) handover.Want {
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		network, listen = "unix", path
	}
	return handover.Want{Name: name, Network: network, Listen: listen}
}

// takeSockets finds what is open already; shared says that a service manager keeps it,
// whoever opened it. Caller holds a.mu, or is New.
func (a *App) takeSockets(w handover.Want) (files []*os.File, shared bool) {
	taken := handover.Take(&a.pool, w)
	for _, s := range taken {
		shared = shared || s.Shared
	}
	return handover.Files(taken), shared
}

// closePool closes what no listener of the file wants.
func (a *App) closePool() {
	for _, s := range a.pool {
		a.log.Warn("an open socket is no listener's: closed", "socket", s.Name, "network", s.Network, "address", s.Addr)
		if s.Network == "unix" && !s.Shared {
			_ = os.Remove(s.Addr) // nobody will listen there any more
		}
	}
	handover.Close(a.pool)
	a.pool = nil
}

// own makes the sockets this process's alone that a predecessor had.
func (a *App) own() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.listeners {
		if d, ok := l.door.(*proxy.Listener); ok && !l.shared {
			d.Own()
		}
	}
	if a.admin != nil && !a.admin.shared {
		a.admin.keepPath(false)
	}
	a.closePool()
}

// openAdmin opens the admin API's address, if it is not open already.
func (a *App) openAdmin(listen string) (l net.Listener, shared bool, err error) {
	files, shared := a.takeSockets(wantAt(adminName, "tcp", listen))
	if len(files) == 0 {
		l, err = proxy.Listen(listen)
		return l, false, err
	}
	l, err = proxy.Adopt(files[0], false)
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // it is another's; see takeOver
	}
	for _, f := range files { // Adopt has duplicated the one that it takes
		_ = f.Close()
	}
	return l, shared, err
}

// sockets are duplicates of all that is open, for a successor.
func (a *App) sockets() ([]handover.Socket, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []handover.Socket
	add := func(w handover.Want, at net.Addr, shared bool, files []*os.File) {
		for _, f := range files {
			all = append(all, handover.Socket{Name: w.Name, Network: w.Network, Listen: w.Listen, Addr: at.String(), Shared: shared, File: f})
		}
	}
	for _, l := range a.listeners {
		files, err := l.Files()
		if err != nil {
			handover.Close(all)
			return nil, err
		}
		add(wantOf(&l.spec), l.LocalAddr(), l.shared, files)
	}
	if a.admin != nil {
		f, err := proxy.FileOf(a.admin.listener)
		if err != nil {
			handover.Close(all)
			return nil, fmt.Errorf("admin: %w", err)
		}
		add(wantAt(adminName, "tcp", a.cfg.Admin.Listen), a.admin.listener.Addr(), a.admin.shared, []*os.File{f})
	}
	return slices.Clip(all), nil
}
