package http_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

// tiers is a Via field of so many Spillways, one behind the other.
func tiers(n int) string {
	return "Via: " + strings.Repeat("1.1 spillway, ", n-1) + "1.1 spillway\r\n"
}

func requestThroughTenSpillwaysIs508(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	c := b.dial()
	for _, fields := range []string{tiers(9), "Via: 1.1 other\r\n" + tiers(9), "Via: " + strings.Repeat("1.1 other, ", 50) + "1.1 other\r\n"} {
		if resp, _ := c.send(get(fields)).response("GET"); resp.StatusCode != 200 {
			t.Errorf("%q: %d", fields, resp.StatusCode)
		}
	}
	for _, fields := range []string{tiers(10), tiers(30), tiers(5) + tiers(5)} {
		resp, _ := c.send(get(fields)).response("GET")
		if resp.StatusCode != 508 || resp.Header.Get("Proxy-Status") != "spillway; error=proxy_loop_detected" || resp.Close {
			t.Errorf("%q: %d %q, close %v", fields, resp.StatusCode, resp.Header.Get("Proxy-Status"), resp.Close)
		}
	}
	if resp, _ := c.send(post(tiers(10)+"Content-Length: 100\r\n") + "part").response("POST"); resp.StatusCode != 508 || !resp.Close {
		t.Errorf("with a body: %d, close %v", resp.StatusCode, resp.Close)
	}
	b.active(0)
	if n := e.requests.Load(); n != 3 {
		t.Errorf("%d requests reached the endpoint, want 3", n)
	}
	if n := b.service.Stats.Loops.Load(); n != 4 {
		t.Errorf("%d loops were counted, want 4", n)
	}
	b.end()
	if log := b.log.String(); !strings.Contains(log, `msg="request goes in circles" service=web cause=proxy_loop_detected`) {
		t.Errorf("the log says nothing: %s", log)
	}
	if access := b.access.String(); strings.Count(access, `"cause":"proxy_loop_detected"`) != 4 {
		t.Errorf("the access log says nothing: %s", access)
	}
}

// The endpoint is the proxy itself, and a rule tries every 5xx again.
func requestThatGoesInCirclesEnds(t *testing.T, d driver) {
	if d.toTLS || d.tls {
		t.Skip("it speaks TLS on one side only, and so cannot be its own endpoint")
	}
	b := d.start(t, []string{closedPort(t)}, withService(func(s *proxy.Service) {
		s.Retry = &proxy.Retry{On: proxy.Retry5xx, Most: 3}
		s.Timeout, s.ConnectTimeout = time.Minute, time.Minute // a busy machine is no reason to try again
	}))
	if err := b.balancer.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: b.addr}, {ID: "b", Addr: b.addr}}); err != nil {
		t.Fatal(err)
	}
	resp, body := b.dial().send(get("")).response("GET")
	if resp.StatusCode != 508 || !strings.Contains(body, "circles") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	b.active(0)
	rounds := uint64(0)
	for _, c := range b.balancer.Snapshot().Candidates {
		rounds += c.Load.Started()
	}
	if loops := b.service.Stats.Loops.Load(); loops != 1 || rounds != 10 {
		t.Errorf("it went round %d times and was refused %d times, want 10 and 1", rounds, loops)
	}
}
