package http_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestAnEventLoopSendsNoPlainTextToTLS(t *testing.T) {
	e := answer(t, ok)
	b := driver{name: "loop", choose: chooseLoops, pools: 4}.start(t, []string{e.addr})
	c := b.dial()
	c.send(get("")).expect(ok) // which leaves a connection
	next := *b.service
	next.TLS = new(proxy.EndpointTLS)
	settings := *b.settings
	settings.Routes = proxy.NewRoutes(nil, &next)
	b.engine.SetSettings(&settings)
	resp, _ := c.send(get("")).response("GET")
	if resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_unavailable") {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
	if n := e.requests.Load(); n != 1 {
		t.Errorf("the endpoint got %d requests, want the first only", n)
	}
}
