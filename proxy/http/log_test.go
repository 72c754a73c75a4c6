package http_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func accessLogHasOneLineForEachRequest(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{closedPort(t), e.addr}, withSettings(func(s *proxyhttp.Settings) { s.TrustedProxies = loopback }))
	c := b.dial()
	for range 2 {
		c.send("GET /x?y HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
		c.response("GET")
	}
	b.end()
	lines := strings.Split(strings.TrimSpace(b.access.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines: %s", len(lines), b.access)
	}
	for _, want := range []string{`"client":"9.9.9.9:0"`, `"method":"GET"`, `"host":"a.b"`, `"path":"/x?y"`,
		`"status":200`, `"bytes_out":2`, `"endpoint":"` + e.addr + `"`, `"cause":""`} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if !strings.Contains(lines[0]+lines[1], `"attempts":2`) {
		t.Error("no line tells of the second attempt")
	}
}

func logOfAnUnfinishedHeadShowsItsOwnClient(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = soon }))
	c := b.dial()
	c.send(get("")).expect(ok) // so that its time is counted from the head's first byte
	c.send("GET /mine HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10))
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		o := b.dial().send("SECRET /yours HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Pad: " + strings.Repeat("y", 30<<10) + "\r\n\r\n")
		o.response("GET")
		o.Close()
	}
	if resp, _ := c.response("GET"); resp.StatusCode != 408 {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
	c.Close()
	b.end()
	mine := fmt.Sprintf(`"client":"%v"`, c.LocalAddr()) // others may have been too slow as well, on a busy machine
	for line := range strings.Lines(b.access.String()) {
		if strings.Contains(line, mine) && strings.Contains(line, `"status":408`) {
			if !strings.Contains(line, `"method":"GET","host":"","path":"/mine"`) {
				t.Errorf("the log of one client shows another's bytes: %s", line)
			}
			return
		}
	}
	t.Errorf("no 408 of %s in %s", mine, b.access)
}

func logSaysThatNobodyWasLeftToAsk(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t)})
	c := b.dial().send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 502 {
		t.Errorf("got %d, want what the endpoint's failure was", resp.StatusCode)
	}
	if err := b.balancer.SetEndpoints(nil); err != nil {
		t.Fatal(err)
	}
	c.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	for _, want := range []string{`msg="no endpoint" service=web cause=destination_unavailable attempts=1 method=GET target=/x`, "attempts=0 method=GET target=/y"} {
		if log := b.log.String(); !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}

func panicKeepsNoLease(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t)}, withService(func(s *proxy.Service) { s.Stats = nil }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.closed()
	testkit.Eventually(t, func() bool { return strings.Contains(b.log.String(), "panic") })
	b.active(0)
}
