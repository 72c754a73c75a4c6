package netio

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Dial connects to addr, "host:port" or "unix:/path", within timeout (0: no
// limit but ctx's). TCP connections send small writes at once (TCP_NODELAY).
// Errors keep the identity of their system call, such as syscall.ECONNREFUSED.
func Dial(ctx context.Context, addr string, timeout time.Duration) (*Conn, error) {
	return DialFrom(ctx, addr, timeout, nil)
}

// DialFrom is Dial, from the address that from names for the one that is connected
// to: any at all, or an invalid one for this machine's own. It is called on any
// goroutine, once for each address that addr resolves to. Only Linux can (see
// sys.BindFrom), and only TCP; nil is Dial.
func DialFrom(ctx context.Context, addr string, timeout time.Duration, from func(to netip.Addr) netip.Addr) (*Conn, error) {
	network, address := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, address = "unix", path
	}
	d := net.Dialer{Timeout: timeout} // sets TCP_NODELAY by default
	if from != nil {
		d.Control = controlFrom(from)
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return Wrap(c), nil
}
