package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A reporter is an HTTP endpoint that answers with its name, and reports a weight
// in its replies to health checks.
type reporter struct {
	addr   string
	weight atomic.Value // string; "-": the field is left out
	hung   atomic.Bool  // checks are not answered
}

func newReporter(t *testing.T, name, weight string) *reporter {
	r := new(reporter)
	r.weight.Store(weight)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/weight" {
			_, _ = io.WriteString(w, name)
			return
		}
		if r.hung.Load() {
			<-req.Context().Done()
			return
		}
		if s := r.weight.Load().(string); s != "-" {
			w.Header().Set("X-Load-Balancing-Endpoint-Weight", s)
		}
	}))
	t.Cleanup(s.Close)
	r.addr = s.Listener.Addr().String()
	return r
}

const weightFile = `
[admin]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "w"
[[service]]
name = "w"
locality_lb_policy = "WEIGHTED_MAGLEV"
endpoints = [{ id = "a", address = %q }, { id = "b", address = %q }, { id = "c", address = %q }]
[service.health_check]
check_interval = "50ms"
unhealthy_threshold = 10 # a busy machine may need 50 ms for an answer, but not ten times
%s
`

const httpCheck = "type = 'HTTP'\nrequest_path = '/weight'"

// weights returns how the admin API sees the weights of a service: which ones
// count, and of each endpoint its report, what is wrong with it, the share it
// should get, and why it gets nothing.
func (p *proxy) weights(service string) string {
	p.t.Helper()
	var v struct {
		Weights string
		Groups  []struct {
			Endpoints []struct {
				Reported *uint32 `json:"reported_weight"`
				Error    string  `json:"weight_error"`
				Share    float64 `json:"share_expected"`
				Dropped  string
			}
		}
	}
	_, body := p.get("admin", "/api/v1/services/"+service)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	text := []string{v.Weights}
	for _, e := range v.Groups[0].Endpoints {
		reported := "none"
		if e.Reported != nil {
			reported = fmt.Sprint(*e.Reported)
		}
		s := fmt.Sprintf("%s %.3g", reported, e.Share)
		for _, word := range []string{strings.TrimPrefix(e.Error, "WEIGHT_NONE"), e.Dropped} {
			if word != "" {
				s += " " + word
			}
		}
		text = append(text, s)
	}
	return strings.Join(text, ", ")
}

func TestWeightsThatEndpointsReportMoveTraffic(t *testing.T) {
	t.Parallel()
	a, b, c := newReporter(t, "a", "100"), newReporter(t, "b", "300"), newReporter(t, "c", "0")
	p := run(t, fmt.Sprintf(weightFile, a.addr, b.addr, c.addr, httpCheck))
	is := func(want string) {
		t.Helper()
		var got string
		defer func() {
			if t.Failed() {
				t.Logf("last seen: %s", got)
			}
		}()
		testkit.Eventually(t, func() bool { got = p.weights("w"); return got == want })
	}
	is("REPORTED, 100 0.25, 300 0.75, 0 0 WEIGHT_0")

	// A connection to b, which then asks for no more, stays.
	old := dialUntil(t, p, "b")
	b.weight.Store("0")
	is("REPORTED, 100 1, 0 0 WEIGHT_0, 0 0 WEIGHT_0")
	if name := old.ask(); name != "b" {
		t.Errorf("a change of weight made %q of a connection to b", name)
	}
	for range 10 {
		if name := dial(t, p).ask(); name != "a" {
			t.Errorf("only a has a weight, and %q answered", name)
		}
	}

	// Nobody wants anything: all of them get the same.
	a.weight.Store("0")
	is("REPORTED, 0 0.333, 0 0.333, 0 0.333")

	// One that talks nonsense: the weights of the file, until it stops.
	a.weight.Store("heavy")
	is("CONFIGURED, 0 0.333 INVALID_WEIGHT, 0 0.333, 0 0.333")
	b.weight.Store("-")
	a.weight.Store("600")
	is("CONFIGURED, 600 0.333, 0 0.333 MISSING_WEIGHT, 0 0.333")
	b.weight.Store("200")
	is("REPORTED, 600 0.75, 200 0.25, 0 0 WEIGHT_0")

	// Too large is as large as can be, and a fraction is rounded.
	b.weight.Store("70000")
	c.weight.Store("399.7")
	is("REPORTED, 600 0.3, 1000 0.5, 400 0.2")

	// One that falls silent keeps its weight, and being ill it has no share.
	a.hung.Store(true)
	is("REPORTED, 600 0 UNAVAILABLE_WEIGHT UNHEALTHY, 1000 0.714, 400 0.286")
	a.hung.Store(false)
	is("REPORTED, 600 0.3, 1000 0.5, 400 0.2")

	for _, want := range []string{
		`msg="reported weights are in use" service=w`,
		`msg="reported weight is invalid" service=w endpoint=a reported=heavy`,
		`msg="configured weights are in use" service=w endpoint=a error=INVALID_WEIGHT`,
		`msg="no weight reported" service=w endpoint=b`,
		`msg="reported weight adjusted" service=w endpoint=b reported=70000 weight=1000`,
		`msg="reported weight adjusted" service=w endpoint=c reported=399.7 weight=400`,
	} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, p.log.String())
		}
	}

	// Checks without a field to report in: the weights of the file, and no word of
	// reports.
	p.reload(fmt.Sprintf(weightFile, a.addr, b.addr, c.addr, `type = "TCP"`))
	is(", none 0.333, none 0.333, none 0.333")
}

// A held is a connection through the proxy's TCP listener.
type held struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *proxy) *held {
	t.Helper()
	c, err := net.Dial("tcp", p.ListenAddr("in").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &held{t, c, bufio.NewReader(c)}
}

// dialUntil dials until an endpoint of this name is on the other side.
func dialUntil(t *testing.T, p *proxy, name string) *held {
	t.Helper()
	for range 1000 {
		if h := dial(t, p); h.ask() == name {
			return h
		}
	}
	t.Fatalf("1000 connections, and none reached %s", name)
	return nil
}

// ask makes one request on the connection and returns the endpoint's name.
func (h *held) ask() string {
	h.t.Helper()
	if _, err := io.WriteString(h, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.ReadResponse(h.r, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	name, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(name)
}
