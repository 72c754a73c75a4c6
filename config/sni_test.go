package config_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

func TestATCPListenerWithRoutesNeedsNoService(t *testing.T) {
	c := parse(t, `
listener = [{ listen = ":443", protocol = "TCP", route = [{ sni = "WWW.Example.com", service = "web" }] }]
service  = [{ name = "web", endpoints = ["x:1"] }]`)
	l := c.Listeners[0]
	want := []config.Route{{SNI: "www.example.com", Service: "web"}}
	if !reflect.DeepEqual(l.Routes, want) || l.ClientTimeout != config.Duration(time.Minute) || c.Services[0].Protocol != "TCP" {
		t.Errorf("got %+v", l)
	}
	var printed bytes.Buffer
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if again := parse(t, printed.String()); !reflect.DeepEqual(again, c) {
		t.Errorf("printed as\n%s", printed.String())
	}
}

func TestATCPListenerWithoutRoutesWaitsForNoClient(t *testing.T) {
	text := `
listener = [{ listen = ":443", protocol = "TCP", service = "web", client_timeout = "1s" }]
service  = [{ name = "web", endpoints = ["x:1"] }]`
	refused(t, text, `listener.client_timeout: only has a meaning with protocol = "HTTP", "HTTPS" or "SSL", or with routes by sni`)
}
