package proxy_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestTheClientsAddressIsKeptWhereThatCanWork(t *testing.T) {
	const hairpin, unroutable, family, noAddress = proxy.SourceHairpin, proxy.SourceUnroutable, proxy.SourceFamily, proxy.SourceNoAddress
	for _, c := range []struct {
		client, to string
		kept       bool
		why        proxy.SourceFallback
	}{
		{client: "192.0.2.7:1234", to: "10.0.0.1", kept: true},
		{client: "10.0.0.7:1234", to: "10.0.0.1", kept: true},
		{client: "[::ffff:192.0.2.7]:1234", to: "10.0.0.1", kept: true},
		{client: "[2001:db8::7]:1234", to: "2001:db8::1", kept: true},
		{client: "[fd00::7]:1234", to: "2001:db8::1", kept: true},
		{client: "10.0.0.1:1234", to: "10.0.0.1", why: hairpin},
		{client: "[::ffff:10.0.0.1]:1234", to: "10.0.0.1", why: hairpin},
		{client: "10.0.0.2:1234", to: "10.0.0.1", why: hairpin},      // another endpoint
		{client: "10.0.0.5:1234", to: "10.0.0.5", why: hairpin},      // an endpoint with a name
		{client: "[2001:db8::1]:9", to: "2001:db8::1", why: hairpin}, // with a port of its own
		{client: "127.0.0.1:1234", to: "10.0.0.1", why: unroutable},
		{client: "192.0.2.7:1234", to: "127.0.0.1", why: unroutable},
		{client: "[::1]:1234", to: "2001:db8::1", why: unroutable},
		{client: "[fe80::1%eth0]:1234", to: "2001:db8::1", why: unroutable},
		{client: "0.0.0.0:1234", to: "10.0.0.1", why: unroutable},
		{client: "192.0.2.7:1234", to: "2001:db8::1", why: family},
		{client: "[2001:db8::7]:1234", to: "10.0.0.1", why: family},
		{client: "", to: "10.0.0.1", why: noAddress}, // a unix socket's
	} {
		var log bytes.Buffer
		stats := new(proxy.Stats)
		service := &proxy.Service{Source: proxy.NewClientSource("web", stats,
			proxy.NewLimitedLog(slog.New(slog.NewTextHandler(&log, nil)), 1),
			[]string{"10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80", "web.example:80", "unix:/run/web"})}
		client, _ := netip.ParseAddrPort(c.client)
		got := service.From(client)(netip.MustParseAddr(c.to))
		if c.kept {
			if got != client.Addr().Unmap() || log.Len() > 0 {
				t.Errorf("%s to %s comes from %v; %s", c.client, c.to, got, &log)
			}
			continue
		}
		if got.IsValid() || stats.SourceFallbacks[c.why].Load() != 1 {
			t.Errorf("%s to %s comes from %v, want the proxy's own because of %s", c.client, c.to, got, proxy.SourceFallbacks[c.why])
		}
		if !strings.Contains(log.String(), "cause="+proxy.SourceFallbacks[c.why]) || !strings.Contains(log.String(), "reason=") {
			t.Errorf("%s to %s: the log does not say why: %s", c.client, c.to, &log)
		}
	}
}

func TestTheProxysAddressIsTheDefault(t *testing.T) {
	if (&proxy.Service{}).From(netip.MustParseAddrPort("192.0.2.7:1234")) != nil {
		t.Error("a service without a Source has something to ask")
	}
}
