package http_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// TestRetries is about services with a rule of their own; what holds without one
// is in failover_test.go and reuse_test.go.
func TestRetries(t *testing.T) {
	promises := []promise{
		{"an unwelcome status is tried again elsewhere", unwelcomeStatusIsTriedAgainElsewhere},
		{"each attempt is in the access log", eachAttemptIsInTheAccessLog},
		{"without another endpoint the response is relayed", withoutAnotherEndpointTheResponseIsRelayed},
		{"the last response is relayed when retries are used up", lastResponseIsRelayedWhenRetriesAreUsedUp},
		{"what is no response is tried again elsewhere", whatIsNoResponseIsTriedAgainElsewhere},
		{"what may have been done is not done twice", whatMayHaveBeenDoneIsNotDoneTwice},
		{"what nobody has seen is tried again whatever the method", whatNobodyHasSeenIsTriedAgainWhateverTheMethod},
		{"a body that is here is sent again", bodyThatIsHereIsSentAgain},
		{"a body that is still coming is sent once", bodyThatIsStillComingIsSentOnce},
		{"a response that has begun is not taken back", responseThatHasBegunIsNotTakenBack},
		{"an interim response is the end of retries", interimResponseIsTheEndOfRetries},
		{"an endpoint that takes its time is left for another", endpointThatTakesItsTimeIsLeftForAnother},
		{"the limit of one try is not one for bodies", limitOfOneTryIsNotOneForBodies},
		{"the timeout is for all tries", timeoutIsForAllTries},
		{"a rule without retries sends nothing twice", ruleWithoutRetriesSendsNothingTwice},
		{"retries stay within their budget", retriesStayWithinTheirBudget},
	}
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) { sideBySide(t, d, promises) })
}

func retrying(r proxy.Retry) option { return withService(func(s *proxy.Service) { s.Retry = &r }) }

func reply(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func unwelcomeStatusIsTriedAgainElsewhere(t *testing.T, d driver) {
	for status, on := range map[int]proxy.RetryOn{
		409: proxy.RetryRetriable4xx, 500: proxy.Retry5xx, 503: proxy.RetryGatewayError,
	} {
		bad, good := answer(t, reply(status, "")), answer(t, ok)
		b := d.start(t, []string{bad.addr, good.addr}, retrying(proxy.Retry{On: on, Most: 1}))
		c := b.dial()
		const n = 6
		for range n {
			if resp, body := c.send(get("")).response("GET"); resp.StatusCode != 200 || body != "ok" {
				t.Fatalf("%d: got %d %q", status, resp.StatusCode, body)
			}
		}
		if good.requests.Load() != n || bad.requests.Load() == 0 {
			t.Errorf("%d: %d and %d requests", status, bad.requests.Load(), good.requests.Load())
		}
		if bad.conns.Load() != 1 || good.conns.Load() != 1 {
			t.Errorf("%d: %d and %d connections, want one each: the responses were whole", status, bad.conns.Load(), good.conns.Load())
		}
		b.end()
		stats, retries := b.service.Stats, uint64(bad.requests.Load())
		if got := stats.Retries[proxy.AttemptStatus].Load(); got != retries || stats.Attempts[proxy.AttemptStatus].Load() != retries {
			t.Errorf("%d: %d retries were counted, want %d", status, got, retries)
		}
		if got := stats.Attempts[proxy.AttemptOK].Load(); got != n {
			t.Errorf("%d: %d attempts ended well, want %d", status, got, n)
		}
		if got := b.failures(); status >= 500 && got != retries || status < 500 && got != 0 {
			t.Errorf("%d: %d failures of endpoints", status, got)
		}
		b.active(0)
	}
}

func eachAttemptIsInTheAccessLog(t *testing.T, d driver) {
	closed, bad := closedPort(t), answer(t, reply(503, "sorry"))
	b := d.start(t, []string{closed, bad.addr}, retrying(proxy.Retry{On: proxy.Retry5xx, Most: 5}))
	b.dial().send(get("")).response("GET")
	b.end()
	var line struct {
		Attempts int
		Status   int
		Failed   []struct {
			Attempt, Status       int
			Endpoint, Cause, Then string
			Duration              float64
		} `json:"failed_attempts"`
	}
	if err := json.Unmarshal([]byte(b.access.String()), &line); err != nil {
		t.Fatalf("%v in %q", err, b.access.String())
	}
	if line.Attempts != 2 || len(line.Failed) != 2 {
		t.Fatalf("got %+v", line)
	}
	for i, f := range line.Failed {
		want := "another endpoint"
		if i == 1 {
			want = "give up: no other endpoint"
		}
		known := f.Endpoint == closed && f.Status == 0 && f.Cause == "connection_refused" ||
			f.Endpoint == bad.addr && f.Status == 503 && f.Cause == ""
		if !known || f.Attempt != i+1 || f.Then != want || f.Duration <= 0 {
			t.Errorf("attempt %d: %+v", i+1, f)
		}
		said := fmt.Sprintf("endpoint=%s ", f.Endpoint)
		if log := b.log.String(); !strings.Contains(log, said) || !strings.Contains(log, `then="`+want+`"`) {
			t.Errorf("no %q and %q in %s", said, want, log)
		}
	}
}

// The response is relayed as it comes, although its end was not here when the
// question was asked.
func withoutAnotherEndpointTheResponseIsRelayed(t *testing.T, d driver) {
	asked := make(chan struct{})
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n3\r\nsor\r\n")
			<-asked
			io.WriteString(c, "2\r\nry\r\n0\r\n\r\n")
		}
	})
	b := d.start(t, []string{addr}, retrying(proxy.Retry{On: proxy.Retry5xx, Most: 3}))
	var clients []*rawClient
	for range 5 { // more than have room in the retry budget
		clients = append(clients, b.dial().send(get("")))
	}
	testkit.Eventually(t, func() bool { return strings.Count(b.log.String(), "no other endpoint") == len(clients) })
	for range clients {
		asked <- struct{}{}
	}
	for _, c := range clients {
		resp, body := c.response("GET")
		if resp.StatusCode != 503 || body != "sorry" || resp.Header.Get("X-A") != "b" || resp.Header.Get("Proxy-Status") != "" {
			t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
		}
	}
	if n := b.service.Stats.RetriesOverBudget.Load(); n != 0 {
		t.Errorf("%d over the budget, which nobody has used", n)
	}
}

func lastResponseIsRelayedWhenRetriesAreUsedUp(t *testing.T, d driver) {
	var all []*answering
	var addrs []string
	for i := range 5 {
		e := answer(t, reply(503, fmt.Sprint(i)))
		all, addrs = append(all, e), append(addrs, e.addr)
	}
	b := d.start(t, addrs, retrying(proxy.Retry{On: proxy.Retry5xx, Most: 2}))
	resp, body := b.dial().send(get("")).response("GET")
	if resp.StatusCode != 503 {
		t.Errorf("got %d, want the endpoint's own 503", resp.StatusCode)
	}
	asked := 0
	for i, e := range all {
		n := int(e.requests.Load())
		asked += n
		if n > 1 || body == fmt.Sprint(i) && n == 0 {
			t.Errorf("endpoint %d was asked %d times, and the body is %q", i, n, body)
		}
	}
	if asked != 3 {
		t.Errorf("%d endpoints were asked, want 3", asked)
	}
}

func whatIsNoResponseIsTriedAgainElsewhere(t *testing.T, d driver) {
	long := strings.Repeat("y", 4000) // half a head would end inside of it
	for name, said := range map[string]string{
		"nothing": "", "no HTTP": "garbage\r\n\r\n", "half a head": "HTTP/1.1 200 OK\r\nX-Half: ",
		"half a long head": "HTTP/1.1 200 OK\r\nX-Half: " + strings.Repeat("x", 3000),
	} {
		bad := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, said)
		})
		good := answer(t, reply(200, long))
		b := d.start(t, []string{bad, good.addr}, retrying(proxy.Retry{On: proxy.RetryGatewayError, Most: 1}))
		for range 4 {
			resp, body := b.dial().send(get("")).response("GET")
			if resp.StatusCode != 200 || body != long || resp.Header.Get("X-Half") != "" {
				t.Errorf("%s: got %d %q %v", name, resp.StatusCode, body, resp.Header)
			}
		}
		if b.failures() == 0 {
			t.Errorf("%s: nobody failed, and nothing was tried again", name)
		}
	}
}

// everything is a rule that would try again whatever it may.
var everything = proxy.Retry{
	On:   proxy.RetryConnectFailure | proxy.RetryRefusedStream | proxy.RetryGatewayError | proxy.Retry5xx | proxy.RetryRetriable4xx,
	Most: 5,
}

func whatMayHaveBeenDoneIsNotDoneTwice(t *testing.T, d driver) {
	for _, method := range []string{"POST", "PATCH", "LOCK"} {
		busy := []*answering{answer(t, reply(503, "a")), answer(t, reply(503, "b"))}
		b := d.start(t, []string{busy[0].addr, busy[1].addr}, retrying(everything))
		c := b.dial()
		for i := range 2 {
			c.send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, _ := c.response(method); resp.StatusCode != 503 {
				t.Errorf("%s: got %d", method, resp.StatusCode)
			}
			if n := busy[0].requests.Load() + busy[1].requests.Load(); n != int64(i+1) {
				t.Errorf("%s: %d requests became %d", method, i+1, n)
			}
		}
	}
	gone := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { readHead(r) })
	other := answer(t, ok)
	b := d.start(t, []string{gone, other.addr}, retrying(everything))
	var lost int64
	for range 4 {
		resp, _ := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\n\r\n").response("POST")
		if resp.StatusCode == 502 {
			lost++
		}
	}
	if n := other.requests.Load(); lost == 0 || lost+n != 4 {
		t.Errorf("%d of 4 requests were lost, and %d went to the other endpoint", lost, n)
	}
}

func whatNobodyHasSeenIsTriedAgainWhateverTheMethod(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t), endpoint(t, echoBody)}, retrying(proxy.Retry{On: proxy.RetryConnectFailure, Most: 1}))
	c := b.dial()
	for range 4 {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "abc" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	}
	if b.service.Stats.Retries[proxy.AttemptConnectFailure].Load() == 0 {
		t.Error("no retry was counted")
	}
}

// beBusy reads the request and does nothing with it, echoBody answers with its
// body.
func beBusy(w nethttp.ResponseWriter, r *nethttp.Request) {
	io.Copy(io.Discard, r.Body)
	nethttp.Error(w, "busy", nethttp.StatusServiceUnavailable)
}

func echoBody(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Write(body)
}

// Whether all of a body is here with its head is for the kernel to say. If not
// it is sent once, and the first endpoint has the last word.
func bodyThatIsHereIsSentAgain(t *testing.T, d driver) {
	body := strings.Repeat("x", 10_000)
	for name, request := range map[string]string{
		"length":  fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"chunked": fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
		"short":   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	} {
		b := d.start(t, []string{endpoint(t, beBusy), endpoint(t, echoBody)}, retrying(everything))
		again := &b.service.Stats.Retries[proxy.AttemptStatus]
		wanted := body
		if name == "short" {
			wanted = "x"
		}
		for i := 0; i < 100 && (again.Load() == 0 || i < 4); i++ {
			resp, got := b.dial().send(request).response("PUT")
			if resp.StatusCode == 200 && got != wanted || resp.StatusCode != 200 && got != "busy\n" {
				t.Errorf("%s: got %d and %d bytes", name, resp.StatusCode, len(got))
			}
		}
		if again.Load() == 0 && name == "short" {
			t.Error("nothing was sent again")
		}
	}
}

func bodyThatIsStillComingIsSentOnce(t *testing.T, d driver) {
	half := make(chan bool, 2)
	busy := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.ReadFull(r.Body, make([]byte, 3))
		half <- true
		beBusy(w, r)
	}
	b := d.start(t, []string{endpoint(t, busy), endpoint(t, busy)}, retrying(everything))
	c := b.dial().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	<-half
	c.send("def")
	if resp, body := c.response("PUT"); resp.StatusCode != 503 || body != "busy\n" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if n := b.service.Stats.Retries[proxy.AttemptStatus].Load(); n != 0 {
		t.Errorf("%d retries, want 0: half of the body was gone", n)
	}
}

func responseThatHasBegunIsNotTakenBack(t *testing.T, d driver) {
	cut := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	})
	other := answer(t, ok)
	b := d.start(t, []string{cut, other.addr}, retrying(everything))
	for range 4 {
		got := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").all()
		if n := strings.Count(got, "HTTP/1.1 "); n != 1 {
			t.Errorf("%d responses: %q", n, got)
		}
	}
	if n := other.requests.Load(); n == 4 {
		t.Error("nobody was sent to the endpoint that cuts")
	}
}

func interimResponseIsTheEndOfRetries(t *testing.T, d driver) {
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	bad, other := answer(t, hints+reply(503, "sorry")), answer(t, ok)
	b := d.start(t, []string{bad.addr, other.addr}, retrying(everything))
	c := b.dial()
	seen := 0
	for range 2 {
		resp, _ := c.send(get("")).response("GET")
		if resp.StatusCode == 103 {
			seen++
			resp, _ = c.response("GET")
			if resp.StatusCode != 503 {
				t.Errorf("after a hint: got %d, want what its endpoint said", resp.StatusCode)
			}
		}
	}
	if seen == 0 {
		t.Error("no hint came")
	}
}

func endpointThatTakesItsTimeIsLeftForAnother(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t), endpoint(t, echoBody)},
		retrying(proxy.Retry{On: proxy.Retry5xx, Most: 1, PerTryTimeout: soon}))
	statuses := map[string]map[int]int{"GET": {}, "POST": {}}
	for method, seen := range statuses {
		for range 2 {
			resp, _ := b.dial().send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n").response(method)
			seen[resp.StatusCode]++
		}
	}
	if statuses["GET"][200] != 2 {
		t.Errorf("what may be sent twice: %v", statuses["GET"])
	}
	if statuses["POST"][504] == 0 {
		t.Errorf("what may not: %v", statuses["POST"])
	}
	if b.failures() == 0 || b.service.Stats.Retries[proxy.AttemptTimeout].Load() == 0 {
		t.Error("nobody was too slow")
	}
	b.active(0)
}

func limitOfOneTryIsNotOneForBodies(t *testing.T, d driver) {
	const limit = soon
	rest := make(chan struct{})
	slow := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
		<-rest
		io.WriteString(c, "def")
	})
	rule := retrying(proxy.Retry{On: proxy.Retry5xx, Most: 1, PerTryTimeout: limit})
	up := d.start(t, []string{endpoint(t, echoBody)}, rule).dial().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	down := d.start(t, []string{slow}, rule).dial().send(get(""))
	time.Sleep(limit + limit/2)
	up.send("def")
	close(rest)
	for method, c := range map[string]*rawClient{"PUT": up, "GET": down} {
		if resp, body := c.response(method); resp.StatusCode != 200 || body != "abcdef" {
			t.Errorf("%s: got %d %q", method, resp.StatusCode, body)
		}
	}
}

func timeoutIsForAllTries(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t), silent(t), silent(t)},
		withRoute(func(r *proxy.Route) { r.Timeout = 400 * time.Millisecond }),
		retrying(proxy.Retry{On: proxy.Retry5xx, Most: 100, PerTryTimeout: 300 * time.Millisecond}))
	resp, _ := b.dial().send(get("")).response("GET")
	if resp.StatusCode != 504 {
		t.Errorf("got %d, want 504", resp.StatusCode)
	}
	if n := b.service.Stats.Attempts[proxy.AttemptTimeout].Load(); n > 2 {
		t.Errorf("%d tries, want at most 2", n)
	}
}

func ruleWithoutRetriesSendsNothingTwice(t *testing.T, d driver) {
	off := everything
	off.Most = 0
	b := d.start(t, []string{closedPort(t), answer(t, reply(503, "")).addr}, retrying(off))
	seen := map[int]int{}
	for range 4 {
		resp, _ := b.dial().send(get("")).response("GET")
		seen[resp.StatusCode]++
	}
	if seen[502] != 2 || seen[503] != 2 {
		t.Errorf("got %v, want each endpoint's failure twice", seen)
	}
}

func retriesStayWithinTheirBudget(t *testing.T, d driver) {
	release := make(chan struct{})
	slow := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { <-release; io.WriteString(w, "ok") })
	bad := answer(t, reply(503, "sorry"))
	b := d.start(t, []string{bad.addr, slow}, retrying(proxy.Retry{On: proxy.Retry5xx, Most: 1}))
	stats := b.service.Stats
	made, refused := &stats.Retries[proxy.AttemptStatus], &stats.RetriesOverBudget
	var clients []*rawClient
	for range 19 { // fewer than 20 have a budget of 3
		clients = append(clients, b.dial().send(get("")))
		testkit.Eventually(t, func() bool { return b.leases()+int64(refused.Load()) >= int64(len(clients)) })
	}
	testkit.Eventually(t, func() bool { return made.Load() >= 3 && refused.Load() > 0 })
	if n := made.Load(); n != 3 {
		t.Errorf("%d retries at once, want 3", n)
	}
	close(release)
	relayed := uint64(0)
	for _, c := range clients {
		if resp, _ := c.response("GET"); resp.StatusCode == 503 {
			relayed++
		}
	}
	if relayed != refused.Load() {
		t.Errorf("%d retries were refused, and %d clients heard of it", refused.Load(), relayed)
	}
	if log := b.log.String(); !strings.Contains(log, `status=503`) || !strings.Contains(log, "over the retry budget") {
		t.Errorf("the log does not explain: %s", log)
	}
	b.active(0)
	for range 20 { // one after the other they all have room: what was taken was given back
		if resp, _ := b.dial().send(get("")).response("GET"); resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
		b.active(0)
	}
}

// leases is how many the balancer holds now.
func (b *bench) leases() (n int64) {
	for _, c := range b.balancer.Snapshot().Candidates {
		n += c.Load.Active()
	}
	return n
}
