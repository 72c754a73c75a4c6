package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// A proxy is an App that runs from a file.
type proxy struct {
	*app.App
	t    *testing.T
	file string
	log  *testkit.Buffer
	stop func()
}

// run starts a proxy with this file. "ENDPOINTS" and the like are for the test
// to fill in.
func run(t *testing.T, file string) *proxy {
	t.Helper()
	return runWith(t, file, func(*app.Options) {})
}

// runWith is run with other options.
func runWith(t *testing.T, file string, change func(*app.Options)) *proxy {
	t.Helper()
	p := &proxy{t: t, file: filepath.Join(t.TempDir(), "spillway.toml"), log: new(testkit.Buffer)}
	p.write(file)
	load := func() (*config.Config, error) { return config.Load(p.file) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	o := app.Options{Load: load, Log: testkit.Logger(p.log), Version: "test"}
	change(&o)
	p.App, err = app.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.stop = func() {
		http.DefaultClient.CloseIdleConnections() // the proxy gives those a second, in which they may still ask
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		p.stop = func() {}
	}
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *proxy) write(file string) {
	p.t.Helper()
	if err := os.WriteFile(p.file, []byte(file), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// reload swaps the file and fails the test if it is refused.
func (p *proxy) reload(file string) {
	p.t.Helper()
	p.write(file)
	if err := p.Reload(); err != nil {
		p.t.Fatal(err)
	}
}

// get asks a listener and returns status and body.
func (p *proxy) get(listener, path string) (int, string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.ListenAddr(listener).String() + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// named runs an HTTP endpoint that answers with its name.
func named(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveNamed(t, l, name)
}

func serveNamed(t *testing.T, l net.Listener, name string) string {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

const oneListener = `
[admin]
listen = "127.0.0.1:0"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
`

func list(addrs ...string) string { return `endpoints = ["` + strings.Join(addrs, `", "`) + "\"]\n" }

func TestReloadChangesEndpointsPolicyAndRoutes(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	p := run(t, oneListener+list(a))
	if _, body := p.get("web", "/"); body != "a" {
		t.Fatalf("got %q", body)
	}
	p.reload(oneListener + list(a, b) + `locality_lb_policy = "RANDOM"` + "\n")
	testkit.Eventually(t, func() bool { _, body := p.get("web", "/"); return body == "b" })

	withRoute := strings.Replace(oneListener, `service = "web"`, `service = "web"
[[listener.route]]
path_prefix = "/only-a/"
service = "a"`, 1)
	p.reload(withRoute + list(b) + "[[service]]\nname = \"a\"\n" + list(a))
	for range 3 {
		if _, body := p.get("web", "/only-a/x"); body != "a" {
			t.Errorf("the route's service: got %q", body)
		}
		if _, body := p.get("web", "/x"); body != "b" {
			t.Errorf("the listener's service: got %q", body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestBadReloadChangesNothing(t *testing.T) {
	a := named(t, "a")
	good := oneListener + list(a)
	p := run(t, good)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, tc := range map[string]struct{ file, want string }{
		"broken":         {good + "nonsense = 1\n", "nonsense"},
		"a busy address": {good + "[[listener]]\nlisten = \"" + busy.Addr().String() + "\"\nservice = \"web\"\n", "in use"},
		"admin":          {strings.Replace(good, "[admin]", "[admin]\npprof = true", 1), "admin.pprof: cannot change without a restart"},
		"drain timeout":  {"[proxy]\ndrain_timeout = \"1s\"\n" + good, "proxy.drain_timeout: cannot change without a restart"},
		"protocol":       {strings.Replace(good, `service = "web"`, "protocol = \"TCP\"\nservice = \"web\"", 1), "protocol: cannot change"},
	} {
		p.write(tc.file)
		if err := p.Reload(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		if _, body := p.get("web", "/"); body != "a" {
			t.Errorf("%s: after a bad reload got %q", name, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestReloadOpensAndClosesListeners(t *testing.T) {
	a := named(t, "a")
	p := run(t, oneListener+list(a))
	first := p.ListenAddr("web").String()
	two := oneListener + list(a) + "[[listener]]\nname = \"second\"\nlisten = \"127.0.0.1:0\"\nservice = \"web\"\n"
	p.reload(two)
	if p.ListenAddr("web").String() != first {
		t.Error("a listener that stayed was opened again")
	}
	if _, body := p.get("second", "/"); body != "a" {
		t.Errorf("got %q", body)
	}
	second := p.ListenAddr("second").String()
	http.DefaultClient.CloseIdleConnections()
	p.reload(oneListener + list(a))
	testkit.Eventually(t, func() bool {
		c, err := net.Dial("tcp", second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if p.ListenAddr("second") != nil {
		t.Error("a closed listener has an address")
	}
}

func TestCountersAndDrainSurviveAReload(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	p := run(t, oneListener+list(a, b))
	for range 10 {
		p.get("web", "/")
	}
	if code, body := p.post("/api/v1/services/web/endpoints/"+a, `{"admin":"DRAIN"}`); code/100 != 2 {
		t.Fatalf("drain: %d %s", code, body)
	}
	p.reload(oneListener + list(b, a) + "timeout = \"7s\"\n")
	for range 10 {
		if _, body := p.get("web", "/"); body != "b" {
			t.Fatalf("a draining endpoint answered")
		}
	}
	_, body := p.get("admin", "/api/v1/services/web")
	var view struct {
		Groups []struct {
			Endpoints []struct {
				ID, Admin string
				Requests  int
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &view); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	got := make(map[string]string)
	for _, e := range view.Groups[0].Endpoints {
		got[e.ID] = fmt.Sprint(e.Requests, e.Admin)
	}
	if got[a] != "5DRAIN" || got[b] != "15READY" {
		t.Errorf("got %v", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

func (p *proxy) post(path, body string) (int, string) {
	p.t.Helper()
	resp, err := http.Post("http://"+p.ListenAddr("admin").String()+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// A busy machine may need 20 ms for a check, but not ten times in a row.
const checked = `
[service.health_check]
check_interval = "20ms"
timeout = "20ms"
unhealthy_threshold = 10
`

func TestReadyAfterTheFirstRoundOfChecksAndNotWhileDraining(t *testing.T) {
	release := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	})}
	go s.Serve(l)
	defer s.Close()
	p := run(t, oneListener+list(l.Addr().String())+checked)
	testkit.Eventually(t, func() bool { code, _ := p.get("admin", "/readyz"); return code == 200 })

	done := make(chan int)
	go func() {
		code, _ := p.get("web", "/slow")
		done <- code
	}()
	testkit.Eventually(t, func() bool { return p.Balancer("web").Snapshot().Candidates[0].Load.Active() == 1 })
	stopped := make(chan struct{})
	go func() { p.stop(); close(stopped) }()
	testkit.Eventually(t, func() bool { code, _ := p.get("admin", "/readyz"); return code == 503 })
	if code, _ := p.get("admin", "/livez"); code != 200 {
		t.Errorf("livez while draining: %d", code)
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("the request under way got %d", code)
	}
	<-stopped
	http.DefaultClient.CloseIdleConnections()
}

// TestNothingIsDroppedByReloadsAndRestarts sends requests all the time while the
// file is reloaded and an endpoint is restarted, as an operator does it: drained
// first. None may fail.
func TestNothingIsDroppedByReloadsAndRestarts(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	dying := testkit.FreeAddr(t)
	p := run(t, oneListener+list(a, b, dying)+checked)

	var sent, served atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait() // also where the test has failed: nobody may be left to say so
	defer stop.Store(true)
	url := "http://" + p.ListenAddr("web").String() + "/"
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				resp, err := http.Get(url)
				sent.Add(1)
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%v %v", resp, err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	say := func(word lb.Admin) {
		if err := p.Balancer("web").SetAdmin(dying, word); err != nil {
			t.Error(err)
		}
	}
	say(lb.Drain)
	policies := []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV"}
	for i := range 20 {
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })}
		before := served.Load()
		l, err := net.Listen("tcp", dying)
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve(l)
		p.reload(oneListener + list(b, a, dying) + `locality_lb_policy = "` + policies[i%6] + "\"\n" + checked)
		say(lb.Ready)
		testkit.Eventually(t, func() bool { return served.Load() > before })
		say(lb.Drain)
		testkit.Eventually(t, func() bool { return load(p, dying).Active() == 0 })
		s.Close()
	}
	stop.Store(true)
	wg.Wait()
	if sent.Load() < 100 {
		t.Errorf("only %d requests were sent", sent.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

func load(p *proxy, id string) *balance.Load {
	for _, c := range p.Balancer("web").Snapshot().Candidates {
		if c.ID == id {
			return c.Load
		}
	}
	p.t.Fatalf("no endpoint %q", id)
	return nil
}

func TestWrongAddressIsKnownBeforeAnythingRuns(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	cfg, err := config.Parse("f", []byte(strings.ReplaceAll(oneListener, `"127.0.0.1:0"`, `"`+busy.Addr().String()+`"`)+list("127.0.0.1:9")))
	if err == nil {
		_, err = app.New(cfg, app.Options{Log: testkit.Logger(new(testkit.Buffer))})
	}
	if err == nil {
		t.Error("an address in use was opened")
	}
}

// A listener that a reload has removed still drains, and is not to be forgotten.
func TestAbortReachesListenersThatAReloadHasRemoved(t *testing.T) {
	asked := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	file := "[proxy]\ndrain_timeout = \"1h\"\n" + oneListener + "timeout = \"1h\"\n" + list(l.Addr().String())
	two := file + "[[listener]]\nname = \"second\"\nlisten = \"127.0.0.1:0\"\nservice = \"web\"\n"
	p := run(t, two)
	c, err := net.Dial("tcp", p.ListenAddr("second").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	p.reload(file)
	p.Abort()
	p.stop() // would take an hour
}

func TestListenerMayComeBackAtOnce(t *testing.T) {
	a := named(t, "a")
	one := oneListener + list(a)
	two := one + "[[listener]]\nname = \"second\"\nlisten = \"" + testkit.FreeAddr(t) + "\"\nservice = \"web\"\n"
	p := run(t, two)
	for range 20 {
		p.reload(one)
		p.reload(two)
	}
	if _, body := p.get("second", "/"); body != "a" {
		t.Errorf("got %q", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestReloadMayComeBeforeRun(t *testing.T) {
	a := named(t, "a")
	one := oneListener + list(a)
	two := one + "[[listener]]\nname = \"second\"\nlisten = \"127.0.0.1:0\"\nservice = \"web\"\n"
	next := one
	load := func() (*config.Config, error) { return config.Parse("f", []byte(next)) }
	cfg, err := config.Parse("f", []byte(two))
	if err != nil {
		t.Fatal(err)
	}
	p, err := app.New(cfg, app.Options{Load: load, Log: testkit.Logger(new(testkit.Buffer))})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err != nil {
		t.Errorf("without a listener: %v", err)
	}
	next = strings.Replace(one, "[admin]", "[admin]\npprof = true", 1)
	if err := p.Reload(); err == nil {
		t.Error("what needs a restart was taken")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A stuckPipe takes nothing until it is read.
type stuckPipe struct {
	testkit.Buffer
	read chan struct{}
}

func (p *stuckPipe) Write(b []byte) (int, error) {
	<-p.read
	return p.Buffer.Write(b)
}

func TestALogThatNobodyReadsStopsNoTraffic(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spillway.toml")
	// Nobody listens there, so every request is a line.
	if err := os.WriteFile(file, []byte("[log]\nlevel = \"debug\"\n"+oneListener+list("127.0.0.1:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	to := &stuckPipe{read: make(chan struct{})}
	a, err := app.New(cfg, app.Options{LogTo: to})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	p := &proxy{App: a, t: t}
	const requests = 20
	for range requests {
		if status, _ := p.get("web", "/"); status < 500 {
			t.Errorf("got %d", status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	close(to.read)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(to.String(), `msg="no endpoint"`); n != requests {
		t.Errorf("%d of %d failed requests in the log:\n%s", n, requests, to.String())
	}
}
