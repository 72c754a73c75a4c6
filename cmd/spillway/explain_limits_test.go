package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A connection that would wait, or be refused, by the service's own limits.
func TestExplainSaysWhichLimitIsReached(t *testing.T) {
	t.Parallel()
	addr := testkit.FreeAddr(t)
	file := write(t, filepath.Join(t.TempDir(), "a.toml"), `[admin]`, `listen = "127.0.0.1:0"`,
		`[[listener]]`, `protocol = "TCP"`, `listen = "`+addr+`"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `timeout = "10m"`, `endpoints = `+quoted(echo(t, "127.0.0.1:0")),
		`[service.circuit_breakers]`, `max_connections = 1`, `max_pending_requests = 1`, `pending_timeout = "1h"`)
	spillway(t, "explain", file).want(t, 0, "limits: max_connections 1 (0 taken), max_pending_requests 1 (0 waiting), pending_timeout 1h0m0s")
	at := proxy(t, file).ListenAddr("admin").String()
	hold(t, addr, 1)
	spillway(t, "explain", "--admin", at).want(t, 4, "limits: max_connections 1 (1 taken)",
		"max_connections of the service is reached, 1 of 1 are taken; it waits, as 0 do already, for at most 1h0m0s")

	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var r result
	testkit.Eventually(t, func() bool {
		r = spillway(t, "explain", "--admin", at)
		return strings.Contains(r.out, "(1 waiting)")
	})
	r.want(t, 4, "others wait already, and come first; it is refused at once, for 1 wait already, as many as max_pending_requests allows")
}
