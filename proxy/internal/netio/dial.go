package netio

import (
	"context"
	"net"
	"strings"
	"time"
)

// Dial connects to addr, "host:port" or "unix:/path", within timeout (0: no
// limit but ctx's). TCP connections send small writes at once (TCP_NODELAY).
// Errors keep the identity of their system call, such as syscall.ECONNREFUSED.
func Dial(ctx context.Context, addr string, timeout time.Duration) (*Conn, error) {
	network, address := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, address = "unix", path
	}
	d := net.Dialer{Timeout: timeout} // sets TCP_NODELAY by default
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return Wrap(c), nil
}
