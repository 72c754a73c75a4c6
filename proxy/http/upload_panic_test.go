package http

import (
	"log/slog"
	"net"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// What panics here is a route that is nil. No user of the package can bring an
// upload to it.
func TestAPanicInAnUploadEndsItsExchangeOnly(t *testing.T) {
	e := New(Options{Log: slog.New(slog.DiscardHandler), Pools: new(Pools)})
	c, far := net.Pipe()
	defer c.Close()
	defer far.Close()
	x := new(exchange)
	x.c = &client{site: &site{engine: e, driver: stream{e}}, conn: netio.Wrap(c)}
	x.conn = &endpointConn{link: netio.Wrap(far)}
	x.body.Reset(h1.Length, 1<<20)
	x.startUpload()
	x.up.done.Wait(-1)
	if f := x.up.failure(); f != aborted {
		t.Errorf("got %v", f)
	}
}
