package config_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

func TestProxyProtocolIsForConnectionsOfEveryKind(t *testing.T) {
	c := parse(t, `
listener = [
  { listen = ":1", proxy_protocol = true, trusted_proxies = ["10.0.0.0/8"], service = "web" },
  { listen = ":2", protocol = "TCP", proxy_protocol = true, trusted_proxies = ["::1"], service = "tcp" },
  { listen = ":3", protocol = "TCP", proxy_protocol = true, trusted_proxies = ["::1"], client_timeout = "5s", service = "tcp" },
  { listen = "unix:/run/s", protocol = "TCP", proxy_protocol = true, service = "tcp" },
  { listen = "unix:/run/t", proxy_protocol = true, trusted_proxies = ["10.0.0.0/8"], service = "web" },
  { listen = ":4", protocol = "TCP", service = "old" },
]
service = [
  { name = "web", endpoints = ["x:1"], proxy_protocol = "none" },
  { name = "tcp", endpoints = ["x:1"], proxy_protocol = "v2" },
  { name = "old", endpoints = ["x:1"] },
]`)
	minute := config.Duration(time.Minute)
	for i, want := range []config.Duration{minute, minute, minute / 12, minute, minute, 0} {
		if l := c.Listeners[i]; l.ProxyProtocol != (i < 5) || l.ClientTimeout != want {
			t.Errorf("listener %d: %+v", i, l)
		}
	}
	if got := c.Services[1].ProxyProtocol + " " + c.Services[2].ProxyProtocol; got != "V2 NONE" {
		t.Errorf("services send %s", got)
	}
	var printed bytes.Buffer
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if again := parse(t, printed.String()); !reflect.DeepEqual(again, c) {
		t.Errorf("printed as\n%s", printed.String())
	}
}
