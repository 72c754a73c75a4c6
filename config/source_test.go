//go:build linux

package config_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

func TestTheClientsAddressCanBeAskedFor(t *testing.T) {
	c, err := config.Parse("a.toml", []byte(`
[[listener]]
listen      = ":5432"
protocol    = "TCP"
transparent = true
service     = "db"

[[service]]
name               = "db"
endpoints          = ["10.0.0.1:5432", "[2001:db8::1]:5432"]
source             = "client"
locality_lb_policy = "original_destination"
`))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Services[0]; s.Source != "CLIENT" || s.LocalityLBPolicy != "ORIGINAL_DESTINATION" || !c.Listeners[0].Transparent {
		t.Errorf("%+v", s)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestAnEndpointThatCannotSeeTheClientIsWarnedOf(t *testing.T) {
	c, err := config.Parse("a.toml", []byte(`
[[listener]]
listen   = ":5432"
protocol = "TCP"
service  = "db"

[[service]]
name      = "db"
endpoints = ["127.0.0.1:5433"]
source    = "CLIENT"
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "loopback") {
		t.Errorf("warnings: %v", c.Warnings)
	}
}
