package proxy

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// A LoopEngine is an engine whose connections can live on event loops.
type LoopEngine interface {
	Engine
	// Loops are its event loops; nil: it has none, and ServeConn is called.
	Loops() *Loops
	// ServeOn begins to serve one accepted connection, a non-blocking socket
	// that it owns. It is called on the loop and must not block; when the
	// connection is closed it calls a.Done.
	ServeOn(a *loop.Acceptor, l *loop.Loop, fd int, from Arrival)
}

// onLoops is the entry for connections on event loops: a listening socket for
// each loop, among which the kernel spreads connections, or one that they share.
type onLoops struct {
	of     *Listener
	engine LoopEngine
	local  net.Addr
	path   string // of a Unix socket; "": none to be removed

	mu      sync.Mutex
	sockets []int // not accepted from yet
	taker   *loop.Acceptor
	closed  bool
}

// openLoops opens l's address.
func openLoops(l *Listener, e LoopEngine) (entry, error) {
	o := &onLoops{of: l, engine: e}
	if len(l.Sockets) > 0 {
		return o, o.adopt()
	}
	n := len(e.Loops().All())
	if path, ok := strings.CutPrefix(l.Addr, "unix:"); ok {
		o.path, n = path, 1 // no spreading there
	}
	// The first is opened as anybody would, to see that the address is free:
	// sockets that share a port would share it with another process, too.
	addr, err := o.open(l.Addr, listenConfig(l.Transparent))
	if err != nil || n == 1 {
		return o, err
	}
	unix.Close(o.sockets[0])
	o.sockets = nil
	for range n {
		if _, err := o.open(addr.String(), sharedConfig(l.Transparent)); err != nil {
			o.closeSockets()
			return nil, err
		}
	}
	return o, nil
}

// open opens one more socket.
func (o *onLoops) open(addr string, c net.ListenConfig) (net.Addr, error) {
	socket, err := listen(addr, c)
	if err != nil {
		return nil, err
	}
	return socket.Addr(), o.keep(socket)
}

// adopt takes sockets that are open.
func (o *onLoops) adopt() error {
	sockets, err := o.of.adopt()
	if err != nil {
		return err
	}
	if u, ok := sockets[0].(*net.UnixListener); ok && !isAbstract(u.Addr()) {
		o.path = u.Addr().String()
	}
	for i, s := range sockets {
		if err := o.keep(s); err != nil {
			closeAll(sockets[i+1:])
			o.closeSockets()
			return err
		}
	}
	return nil
}

// keep keeps a listener's socket and nothing else of it.
func (o *onLoops) keep(socket net.Listener) error {
	if u, ok := socket.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	defer socket.Close()
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	if e := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return e
	}
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // inherited; a Unix socket has none
	o.local = socket.Addr()
	o.sockets = append(o.sockets, fd)
	return nil
}

func (o *onLoops) files() (all []*os.File, err error) {
	duplicate := func(fd int) {
		own, e := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if e != nil {
			err = os.NewSyscallError("fcntl", e)
			return
		}
		all = append(all, os.NewFile(uintptr(own), o.local.String()))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, fd := range o.sockets {
		duplicate(fd)
	}
	if o.taker != nil {
		o.taker.Each(duplicate)
	}
	if err == nil && len(all) == 0 {
		err = net.ErrClosed
	}
	if err != nil {
		closeAll(all)
		return nil, err
	}
	return all, nil
}

// sharedConfig is listenConfig for sockets that share a port.
func sharedConfig(transparent bool) net.ListenConfig {
	c := listenConfig(transparent)
	control := c.Control
	c.Control = func(network, address string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); e != nil {
			return e
		}
		if err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		return control(network, address, raw)
	}
	return c
}

func (o *onLoops) addr() net.Addr { return o.local }

func (o *onLoops) serve(ctx context.Context) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return net.ErrClosed
	}
	o.taker = o.engine.Loops().Accept(o.sockets, loop.AcceptOptions{
		Serve:  o.serveOn,
		Max:    int64(o.of.MaxConnections),
		Failed: o.of.acceptFailed,
	})
	o.sockets = nil
	o.mu.Unlock()
	<-ctx.Done()
	return nil
}

// serveOn is called, on the loop, with each connection that was accepted.
func (o *onLoops) serveOn(a *loop.Acceptor, l *loop.Loop, fd int, peer netip.AddrPort) {
	if h := o.of.expects(peer); h != nil {
		o.greet(a, l, fd, peer, h)
		return
	}
	o.engine.ServeOn(a, l, fd, Arrival{Peer: peer})
}

func (o *onLoops) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return net.ErrClosed
	}
	o.closed = true
	shared := o.of.shared.Load()
	if o.path != "" && !shared {
		_ = os.Remove(o.path) // first: afterwards it may be another process's
	}
	o.closeSockets()
	switch {
	case o.taker == nil:
	case shared:
		o.taker.Leave()
	default:
		o.taker.Close()
	}
	return nil
}

func (o *onLoops) closeSockets() {
	for _, fd := range o.sockets {
		unix.Close(fd)
	}
	o.sockets = nil
}

func (o *onLoops) active() int64 {
	if a := o.acceptor(); a != nil {
		return a.Active()
	}
	return 0
}

func (o *onLoops) wait() {
	if a := o.acceptor(); a != nil {
		a.Wait()
	}
}

func (o *onLoops) acceptor() *loop.Acceptor {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taker
}
