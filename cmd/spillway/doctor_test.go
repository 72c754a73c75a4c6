package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/doctor"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A patient is a running proxy that a doctor is called to.
type patient struct {
	*testing.T
	app  *app.App
	file string
}

// admit runs the proxy that a file with an admin API describes, and waits until it is
// ready: health is known.
func admit(t *testing.T, lines ...string) *patient {
	t.Helper()
	file := write(t, filepath.Join(t.TempDir(), "a.toml"), append([]string{"[admin]", `listen = "127.0.0.1:0"`}, lines...)...)
	p := &patient{t, proxy(t, file), file}
	client := admin.NewClient(p.admin(), "")
	defer client.Close()
	testkit.Eventually(t, func() bool { return client.Ready(context.Background()) == nil })
	return p
}

func (p *patient) admin() string { return p.app.ListenAddr("admin").String() }

func (p *patient) addr(listener string) string { return p.app.ListenAddr(listener).String() }

// diagnose calls the doctor.
func (p *patient) diagnose(args ...string) (doctor.Report, result) {
	p.Helper()
	return diagnoseAt(p.T, append([]string{"-c", p.file, "--admin", p.admin()}, args...)...)
}

func diagnoseAt(t *testing.T, args ...string) (r doctor.Report, ended result) {
	t.Helper()
	ended = spillway(t, append([]string{"doctor", "--json", "--duration", "200ms", "--probe-timeout", "5s"}, args...)...)
	if err := json.Unmarshal([]byte(ended.out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, ended.out, ended.err)
	}
	return r, ended
}

// expect checks that the doctor finds what is wrong, "check" or "check/cause", at the
// endpoint if one is named, with these words in evidence and remedy, and nothing
// else but what besides allows.
func (p *patient) expect(want, endpoint string, besides []string, says ...string) {
	p.Helper()
	var args []string
	if strings.HasPrefix(want, "uneven/") {
		args = []string{"--duration", "1s"} // of few flows it would say that this may be chance
	}
	r, ended := p.diagnose(args...)
	expectFinding(p.T, r, ended, want, endpoint, besides, says...)
}

func expectFinding(t *testing.T, r doctor.Report, ended result, want, endpoint string, besides []string, says ...string) {
	t.Helper()
	if ended.code != exitFound {
		t.Errorf("exit code %d, want %d", ended.code, exitFound)
	}
	found := false
	for _, f := range r.Findings {
		name := f.Check
		if f.Cause != "" {
			name += "/" + f.Cause
		}
		if name != want || endpoint != "" && f.Endpoint != endpoint {
			if name != want && !slices.Contains(besides, f.Check) {
				t.Errorf("it finds %s, which is not there: %+v", name, f)
			}
			continue
		}
		found = true
		for _, s := range says {
			if !strings.Contains(f.Evidence+" → "+f.Remedy, s) {
				t.Errorf("it does not say %q: %+v", s, f)
			}
		}
	}
	if !found {
		t.Errorf("it does not find %s of %q", want, endpoint)
	}
	if t.Failed() {
		t.Fatalf("%s%s", ended.out, ended.err)
	}
}

// traffic calls f again and again, from a few goroutines, until the test ends.
func traffic(t *testing.T, f func(worker int)) {
	t.Helper()
	var wg sync.WaitGroup
	var over atomic.Bool
	for w := range 3 {
		wg.Go(func() {
			for !over.Load() {
				f(w)
			}
		})
	}
	t.Cleanup(func() { over.Store(true); wg.Wait() })
}

// get sends requests to an address, with the header that is given for the n-th.
func get(t *testing.T, addr string, header func(n int64) (name, value string)) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	var n atomic.Int64
	traffic(t, func(int) {
		r, _ := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
		if header != nil {
			r.Header.Set(header(n.Add(1)))
		}
		answer, err := client.Do(r)
		if err != nil {
			time.Sleep(time.Millisecond)
			return
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		time.Sleep(time.Millisecond) // enough comes, and others use the machine, too
	})
}

// echo listens at an address and gives every connection back what it sends.
func echo(t *testing.T, addr string) string {
	t.Helper()
	return serveWith(t, addr, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// serveWith listens at an address and serves each connection until the test ends.
func serveWith(t *testing.T, addr string, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	return l.Addr().String()
}

// hold opens connections to an address that stay, each with a byte sent and come back.
func hold(t *testing.T, addr string, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func quoted(addrs ...string) string { return `["` + strings.Join(addrs, `", "`) + `"]` }

// healthySetup is a file of everything at once, and all of it is well: even and
// weighted, by request and by connection, by keys and without.
func healthySetup(t *testing.T) *patient {
	t.Helper()
	a, b, c := endpoint(t, "a"), endpoint(t, "b"), endpoint(t, "c")
	x, y := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	// A busy machine may need 200 ms for a check, but not ten times in a row.
	const check = "[service.health_check]\ncheck_interval = \"200ms\"\nunhealthy_threshold = 10"
	p := admit(t,
		`[[listener]]`, `name = "even"`, `listen = "127.0.0.1:0"`, `service = "even"`,
		`[[listener]]`, `name = "weighted"`, `listen = "127.0.0.1:0"`, `service = "weighted"`,
		`[[listener]]`, `name = "keyed"`, `listen = "127.0.0.1:0"`, `service = "keyed"`,
		`[[listener]]`, `name = "tcp"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
		`[[listener]]`, `name = "random"`, `listen = "127.0.0.1:0"`, `service = "random"`,
		`[[service]]`, `name = "even"`, `endpoints = `+quoted(a, b, c), check,
		`[[service]]`, `name = "weighted"`,
		`endpoints = [{ address = "`+a+`", weight = 5 }, { address = "`+b+`", weight = 1 }, { address = "`+c+`", weight = 0 }]`, check,
		`[[service]]`, `name = "keyed"`, `endpoints = `+quoted(a, b, c), `session_affinity = "HEADER_FIELD"`,
		`[service.consistent_hash]`, `http_header_name = "X-User"`, check,
		`[[service]]`, `name = "tcp"`, `endpoints = `+quoted(x, y), check,
		`[[service]]`, `name = "random"`, `locality_lb_policy = "RANDOM"`, `endpoints = `+quoted(a, b, c), check)
	for _, service := range []string{"even", "weighted", "random"} {
		get(t, p.addr(service), nil)
	}
	get(t, p.addr("keyed"), func(n int64) (string, string) { return "X-User", fmt.Sprint("user-", n%500) })
	hold(t, p.addr("tcp"), 30)
	return p
}

func TestDoctorFindsNothingWrongWithTheHealthyTenTimesInARow(t *testing.T) {
	t.Parallel()
	p := healthySetup(t)
	for range 10 {
		r, ended := p.diagnose("--duration", "100ms")
		if mayBeChance(r) {
			r, ended = p.diagnose("--duration", "100ms")
		}
		if ended.code != exitOK || len(r.Findings) > 0 {
			t.Fatalf("exit code %d: %s%s", ended.code, ended.out, ended.err)
		}
	}
	ask := func() result {
		return spillway(t, "doctor", "-c", p.file, "--admin", p.admin(), "--duration", "100ms")
	}
	ended := ask()
	if ended.code == exitFound {
		ended = ask()
	}
	_, idle, _ := strings.Cut(ended.want(t, 0, "Nothing is wrong").out, "Notes:")
	if !strings.Contains(idle, "its weight is 0") {
		t.Errorf("it does not say why a healthy endpoint gets nothing: %s", idle)
	}
}

// mayBeChance reports whether all that was found is that somebody who draws, or goes by
// keys, spreads unevenly. Once in 100,000 readings chance does that, as the doctor says
// itself; not twice in a row.
func mayBeChance(r doctor.Report) bool {
	return len(r.Findings) > 0 && !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Check != "uneven" || f.Service != "random" && f.Service != "keyed"
	})
}

func TestDoctorNeedsAProxyToLookAt(t *testing.T) {
	t.Parallel()
	file := proxyFile(t, "a.toml", testkit.FreeAddr(t), "127.0.0.1:1")
	spillway(t, "doctor", "-c", file).want(t, exitUnreachable, "cannot be reached")
	spillway(t, "doctor", "testdata/wrong.toml").want(t, exitConfig, "unknown key")
	spillway(t, "doctor", file, "--duration", "0s").want(t, exitUsage, "must be above 0")
	spillway(t, "doctor", file, "-c", file).want(t, exitUsage, "named twice")
}

// The matrix: one fault each, and what it is to be called.

func TestDoctorNamesFewSources(t *testing.T) {
	t.Parallel()
	a, b, c := endpoint(t, "a"), endpoint(t, "b"), endpoint(t, "c")
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(a, b, c), `session_affinity = "CLIENT_IP"`)
	get(t, p.addr("in"), nil)
	p.expect("uneven/few_sources", "", nil, "127.0.0.1 with 100.0 %", "100.0 % instead of 33.3 %", "trusted_proxies", "without affinity: ", a+" 33.3 %")
}

func TestDoctorNamesSkewedKeys(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(endpoint(t, "a"), endpoint(t, "b"), endpoint(t, "c")), `session_affinity = "HEADER_FIELD"`,
		`[service.consistent_hash]`, `http_header_name = "X-User"`)
	get(t, p.addr("in"), func(n int64) (string, string) {
		if n%10 < 8 {
			return "X-User", "robot"
		}
		return "X-User", fmt.Sprint(n)
	})
	p.expect("uneven/skewed_keys", "", nil, "a few values carry most of the traffic", "choose a header")
}

func TestDoctorNamesFewConnections(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(endpoint(t, "a"), endpoint(t, "b"), endpoint(t, "c"), endpoint(t, "d")), `locality_lb_policy = "MAGLEV"`)
	get(t, p.addr("in"), nil) // three workers, three connections
	p.expect("uneven/few_connections", "", nil, "goes by connections", "ROUND_ROBIN")
}

func TestDoctorNamesLongStreams(t *testing.T) {
	t.Parallel()
	file := func(addrs ...string) []string {
		return []string{`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
			`[[service]]`, `name = "tcp"`, `timeout = "10m"`, `endpoints = ` + quoted(addrs...)}
	}
	x, y, z := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	p := admit(t, file(x, y)...)
	hold(t, p.addr("in"), 60)
	write(t, p.file, append([]string{"[admin]", `listen = "127.0.0.1:0"`}, file(x, y, z)...)...)
	spillway(t, "reload", "--admin", p.admin()).want(t, 0)
	p.expect("uneven/long_streams", z, nil, "60 connections are open", "LEAST_REQUEST")
}

func TestDoctorNamesAForgottenReload(t *testing.T) {
	t.Parallel()
	a, b := endpoint(t, "a"), endpoint(t, "b")
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(a))
	write(t, p.file, `[admin]`, `listen = "127.0.0.1:0"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[listener]]`, `name = "also"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(a, b))
	p.expect("config", "", nil, "listener also is not open", "service web has no endpoint "+b, "spillway reload")
	spillway(t, "reload", "--admin", p.admin()).want(t, 0)
	if r, ended := p.diagnose(); ended.code != exitOK {
		t.Errorf("after the reload: %+v", r.Findings)
	}
}

func TestDoctorNamesRemovedEndpointsWithTraffic(t *testing.T) {
	t.Parallel()
	file := func(addrs ...string) []string {
		return []string{`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
			`[[service]]`, `name = "tcp"`, `timeout = "10m"`, `endpoints = ` + quoted(addrs...)}
	}
	x, y := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	p := admit(t, file(x, y)...)
	hold(t, p.addr("in"), 4)
	write(t, p.file, append([]string{"[admin]", `listen = "127.0.0.1:0"`}, file(x)...)...)
	spillway(t, "reload", "--admin", p.admin()).want(t, 0)
	p.expect("removed-with-traffic", y, nil, "still has 2 requests or connections", "4 bytes", "draining_timeout")
}

func TestDoctorNamesALoop(t *testing.T) {
	t.Parallel()
	first, second := testkit.FreeAddr(t), testkit.FreeAddr(t)
	p := admit(t, `[[listener]]`, `name = "first"`, `listen = "`+first+`"`, `service = "web"`,
		`[[listener]]`, `name = "second"`, `listen = "`+second+`"`, `service = "inner"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(endpoint(t, "a"), second),
		`[[service]]`, `name = "inner"`, `endpoints = `+quoted(first))
	p.expect("loop", second, nil, "second, then first", "take it out of the endpoints")
}

func TestDoctorNamesTheSilent(t *testing.T) {
	t.Parallel()
	mute := serveWith(t, "127.0.0.1:0", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `timeout = "200ms"`, `endpoints = `+quoted(endpoint(t, "a"), mute),
		`[service.health_check]`, `type = "TCP"`, `check_interval = "100ms"`, `unhealthy_threshold = 10`)
	get(t, p.addr("in"), nil)
	r, ended := p.diagnose("--probe-timeout", "300ms")
	expectFinding(t, r, ended, "silent", mute, nil, "its checks pass", "does not answer HEAD /", "request_path")
}

func TestDoctorNamesStaleConnections(t *testing.T) {
	t.Parallel()
	// It answers once and closes when it is asked again: the worst of races.
	once := serveWith(t, "127.0.0.1:0", func(c net.Conn) {
		in := bufio.NewReader(c)
		if r, err := http.ReadRequest(in); err == nil {
			r.Body.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
			_, _ = in.Peek(1)
		}
	})
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(once))
	get(t, p.addr("in"), nil)
	p.expect("keepalive-inversion", once, nil, "for 10m0s", once+" for 5s", "keepalive_timeout")
}

func TestDoctorNamesFlapping(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	moody := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)/2%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(moody.Close)
	at := strings.TrimPrefix(moody.URL, "http://")
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(endpoint(t, "a"), at),
		`[service.health_check]`, `type = "HTTP"`, `check_interval = "400ms"`, `healthy_threshold = 1`, `unhealthy_threshold = 1`)
	p.eventually(func(s *admin.ServiceStatus) bool {
		return slices.ContainsFunc(s.Groups[0].Endpoints, func(e admin.EndpointStatus) bool { return e.ID == at && e.Checks != nil && e.Checks.Flaps >= 4 })
	})
	p.expect("flapping", at, []string{"unhealthy"}, "its health has changed", "503")
}

func TestDoctorNamesIllnessAndPanic(t *testing.T) {
	t.Parallel()
	closed := testkit.FreeAddr(t)
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `panic = "open"`, `endpoints = `+quoted(closed),
		`[service.health_check]`, `check_interval = "50ms"`, `unhealthy_threshold = 1`)
	testkit.Eventually(t, func() bool {
		return strings.Contains(spillway(t, "status", "--admin", p.admin()).out, "UNHEALTHY")
	})
	p.expect("unhealthy/refused", closed, []string{"no-healthy", "panic"}, "connection refused", "start what is to answer on "+closed)
}

func TestDoctorNamesAFullGroup(t *testing.T) {
	t.Parallel()
	p := admit(t, `[proxy]`, `zone = "eu-a"`, `region = "eu"`,
		`[[group]]`, `name = "near"`, `region = "eu"`, `zone = "eu-a"`, `endpoints = `+quoted(echo(t, "127.0.0.1:0")),
		`[[group]]`, `name = "far"`, `region = "us"`, `zone = "us-a"`, `endpoints = `+quoted(echo(t, "127.0.0.1:0")),
		`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`,
		`[[service.backend]]`, `group = "near"`, `balancing_mode = "CONNECTION"`, `max_connections = 5`,
		`[[service.backend]]`, `group = "far"`, `balancing_mode = "CONNECTION"`, `max_connections = 500`)
	hold(t, p.addr("in"), 10)
	traffic(t, func(int) {
		if c, err := net.Dial("tcp", p.addr("in")); err == nil {
			_, _ = c.Write([]byte("x"))
			_, _ = c.Read(make([]byte, 1))
			c.Close()
		}
		time.Sleep(5 * time.Millisecond)
	})
	p.expect("capacity/full", "", nil, "group near is full", "spilled to other groups")
}

func TestDoctorNamesTheSaturated(t *testing.T) {
	t.Parallel()
	x, y := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	p := admit(t, `[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `endpoints = [{ address = "`+x+`", max = 3 }, "`+y+`"]`)
	hold(t, p.addr("in"), 10)
	p.expect("saturated", x, nil, "it has had 3 at once", "raise its max")
}

func TestDoctorNamesABacklog(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`, `max_connections = 2`,
		`[[service]]`, `name = "tcp"`, `endpoints = `+quoted(echo(t, "127.0.0.1:0")))
	hold(t, p.addr("in"), 2)
	for range 8 {
		c, err := net.Dial("tcp", p.addr("in"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	p.expect("backlog", "", nil, "waited to be accepted by listener in", "raise max_connections of listener in")
}
