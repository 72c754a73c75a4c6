package secure

import (
	"context"
	"net/netip"
	"os"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// Options says where to connect to, and how.
type Options struct {
	Endpoint *balance.Endpoint
	TLS      *proxy.EndpointTLS // nil: none
	// Timeout bounds all of it. 0: no limit.
	Timeout time.Duration
	// From is as in netio.DialFrom.
	From func(to netip.Addr) netip.Addr
	// First is sent before anything else, TLS included: a PROXY header.
	First []byte
}

// Dial connects, and makes the handshake if there is to be one. Errors are those
// of netio.DialFrom, of writing, and of Handshake.
func Dial(ctx context.Context, o Options) (*netio.Conn, error) {
	began := time.Now()
	conn, err := netio.DialFrom(ctx, o.Endpoint.Addr, o.Timeout, o.From)
	if err != nil || o.TLS == nil && len(o.First) == 0 {
		return conn, err
	}
	var by time.Time
	if o.Timeout > 0 {
		by = began.Add(o.Timeout)
	}
	conn.WriteBy(by)
	if _, err := conn.Write(o.First); err != nil {
		conn.Abort()
		return nil, err
	}
	if o.TLS == nil {
		conn.WriteBy(time.Time{})
		return conn, nil
	}
	return Handshake(ctx, o.TLS, o.Endpoint, conn, by)
}

// Handshake makes conn, a connection to e that it owns and on which TLS is next,
// a secure one. by is when to give up; zero: never. If it fails conn is closed,
// and the error is os.ErrDeadlineExceeded, ctx's, or a *HandshakeError.
func Handshake(ctx context.Context, t *proxy.EndpointTLS, e *balance.Endpoint, conn *netio.Conn, by time.Time) (*netio.Conn, error) {
	conn.ReadBy(by)
	conn.WriteBy(by)
	stop := context.AfterFunc(ctx, conn.Interrupt)
	secured := netio.TLSClient(conn, t.Config(e))
	err := secured.Handshake()
	switch {
	case !stop():
		err = ctx.Err()
	case err == nil:
		secured.ReadBy(time.Time{})
		secured.WriteBy(time.Time{})
		return secured, nil
	case isTimeout(err):
		err = os.ErrDeadlineExceeded
	default:
		err = &HandshakeError{err}
	}
	_ = conn.Close()
	return nil, err
}
