package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// TestRequestsThatWait is about what else befalls those in line, and their bytes.
func TestRequestsThatWait(t *testing.T) {
	promises := []promise{
		{"the body of a request that waits is not lost", bodyOfARequestThatWaitsIsNotLost},
		{"a request that is turned away with its body is the last", requestTurnedAwayWithItsBodyIsTheLast},
		{"pipelined requests wait one after the other", pipelinedRequestsWaitOneAfterTheOther},
		{"who waits when a drain begins is served", whoWaitsWhenADrainBeginsIsServed},
		{"who waits is turned away when the last endpoint is removed", lastEndpointThatIsRemovedTurnsAwayWhoWaits},
		{"a strict session waits for its endpoint alone", strictSessionWaitsForItsEndpointAlone},
	}
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) { sideBySide(t, d, promises) })
}

// lengthy answers requests with the length of their bodies, once it is told to.
func lengthy(t *testing.T) (addr string, come, answer chan struct{}) {
	come, answer = make(chan struct{}, 100), make(chan struct{}, 100)
	addr = endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		come <- struct{}{}
		n, _ := io.Copy(io.Discard, r.Body)
		<-answer
		io.WriteString(w, strings.Repeat(".", int(n)))
	})
	return addr, come, answer
}

var patient = lb.CircuitBreakers{PendingTimeout: time.Minute}

func bodyOfARequestThatWaitsIsNotLost(t *testing.T, d driver) {
	addr, come, answer := lengthy(t)
	b := d.start(t, []string{addr}, breaking(1, patient, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-come
	second := b.dial().send(post("Content-Length: 9\r\n") + "abc")
	third := b.dial().send(post("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n")
	b.queued(2)
	second.send("def")
	close(answer)
	first.response("GET")
	second.send("ghi")
	third.send("6\r\ndefghi\r\n0\r\n\r\n")
	for _, c := range []*rawClient{second, third} {
		if resp, body := c.response("POST"); resp.StatusCode != 200 || len(body) != 9 {
			t.Errorf("got %d, and the endpoint %d bytes of 9", resp.StatusCode, len(body))
		}
	}
	b.active(0)
}

func requestTurnedAwayWithItsBodyIsTheLast(t *testing.T, d driver) {
	addr, come, answer := lengthy(t)
	b := d.start(t, []string{addr}, breaking(1, lb.CircuitBreakers{PendingTimeout: 20 * time.Millisecond}, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-come
	second := b.dial().send(post("Content-Length: 9\r\n") + "abc")
	resp, _ := second.response("POST")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("got %d with Retry-After %q, close %v", resp.StatusCode, resp.Header.Get("Retry-After"), resp.Close)
	}
	second.send("def").closed()
	close(answer)
	first.response("GET")
	b.active(0)
}

func pipelinedRequestsWaitOneAfterTheOther(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, patient, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	second := b.dial().send(get("") + get("") + get(""))
	b.queued(1)
	for range 4 {
		e.answer <- struct{}{}
	}
	wantOK(t, first)
	for range 3 {
		wantOK(t, second)
	}
	b.active(0)
	b.queued(0)
}

func whoWaitsWhenADrainBeginsIsServed(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, patient, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	second := b.dial().send(get(""))
	b.queued(1)
	b.engine.Drain()
	e.answer <- struct{}{}
	e.answer <- struct{}{}
	for _, c := range []*rawClient{first, second} {
		if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" || !resp.Close {
			t.Errorf("got %d %q, close %v", resp.StatusCode, body, resp.Close)
		}
		c.closed()
	}
	b.active(0)
}

func lastEndpointThatIsRemovedTurnsAwayWhoWaits(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, patient, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	second := b.dial().send(get(""))
	b.queued(1)
	limits := patient
	if err := b.balancer.SetOptions(lb.Options{CircuitBreakers: &limits}); err != nil {
		t.Fatal(err)
	}
	if resp, _ := second.response("GET"); resp.StatusCode != 503 {
		t.Errorf("got %d", resp.StatusCode)
	}
	e.answer <- struct{}{}
	wantOK(t, first)
}

func strictSessionWaitsForItsEndpointAlone(t *testing.T, d driver) {
	rule := strongRule(t)
	rule.Strict = true
	three := newGate(t)
	b := startStrong(t, d, rule)
	all := append(without(b.endpoints(), "3"), b.endpoints()[3])
	all[7].Addr, all[7].Max = three.addr, 1
	if d.toTLS {
		addrs, _ := secured(t, []string{three.addr})
		all[7].Addr = addrs[0]
	}
	limits := patient
	if err := b.balancer.SetOptions(lb.Options{Endpoints: all, CircuitBreakers: &limits}); err != nil {
		t.Fatal(err)
	}
	session := sessionOn(rule, "3", time.Now())
	first := b.dial().send(get(session))
	<-three.come
	second := b.dial().send(get(session))
	b.queued(1)
	if _, who := b.ask(""); who == "3" {
		t.Error("a full endpoint got one more")
	}
	three.answer <- struct{}{}
	wantOK(t, first)
	<-three.come
	third := b.dial().send(get(session))
	b.queued(1)
	if err := b.balancer.SetAdmin("3", lb.Down); err != nil {
		t.Fatal(err)
	}
	resp, _ := third.response("GET") // at once: it does not come back by itself
	if resp.StatusCode != 503 || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_unavailable") {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
	three.answer <- struct{}{}
	wantOK(t, second)
	b.wantCookies("hit:2 miss:1 refused:1")
}

// The cookie comes with what ends the exchange, whatever that is, and with nothing
// before.
func strongCookieIsSetOnceByWhateverAnswers(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			switch head := readHead(r); {
			case head == "":
				return
			case strings.HasPrefix(head, "HEAD"):
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			case strings.HasPrefix(head, "GET /304"):
				io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")
			case strings.HasPrefix(head, "GET /hints"):
				io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+ok)
			default:
				io.WriteString(c, "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\nSet-Cookie: own=1\r\n\r\nno")
			}
		}
	})
	rule := strongRule(t)
	b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Affinity = rule }))
	for _, line := range []string{"HEAD /", "GET /304", "GET /hints", "GET /500"} {
		c := b.dial().send(line + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		all := c.all()
		if n := strings.Count(all, "SPILLWAY="); n != 1 {
			t.Errorf("%s: %d cookies in %q", line, n, all)
		}
		if early, _, found := strings.Cut(all, "HTTP/1.1 200 OK"); found && strings.Contains(early, "SPILLWAY=") {
			t.Errorf("%s: a cookie with an interim response: %q", line, early)
		}
	}
	split := "Cookie: lang=en\r\nCookie: SPILLWAY=junk; theme=dark\r\n" + sessionOn(rule, addr, time.Now())
	if got := b.dial().send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + split + "\r\n").all(); d.toTLS != strings.Contains(got, "SPILLWAY=") {
		t.Errorf("a session in the third line of three: %q", got)
	}
	testkit.Eventually(t, func() bool { return b.service.Stats.Cookies[proxy.CookieMiss].Load() == 4 })
}
