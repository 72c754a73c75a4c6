package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// proxy runs the proxy that a file describes until the test ends.
func proxy(t *testing.T, file string) *app.App {
	t.Helper()
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(cfg, app.Options{
		Load: func() (*config.Config, error) { return config.Load(file) },
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a
}

// proxyFile writes a file with the admin API at an address.
func proxyFile(t *testing.T, path, admin string, endpoints ...string) string {
	return write(t, path,
		`[admin]`, `listen = "`+admin+`"`,
		`[[listener]]`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = ["`+strings.Join(endpoints, `", "`)+`"]`)
}

func TestStatusShowsEveryEndpoint(t *testing.T) {
	a := proxy(t, proxyFile(t, "a.toml", "127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2"))
	addr := a.ListenAddr("admin").String()
	for _, args := range [][]string{{"status", "--admin", addr}, {"status", "web", "--admin", addr}, {"status", "--admin", addr, "web"}} {
		r := spillway(t, args...).want(t, 0)
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if len(lines) != 4 {
			t.Fatalf("%v:\n%s", args, r.out)
		}
		want := []string{"web: ROUND_ROBIN", "ENDPOINT HEALTH ACTIVE REQUESTS FAILURES EXPECTED ACTUAL",
			"127.0.0.1:1 HEALTHY 0 0 0 50.0 % 0.0 %", "127.0.0.1:2 HEALTHY 0 0 0 50.0 % 0.0 %"}
		for i, line := range lines {
			if got := strings.Join(strings.Fields(line), " "); got != want[i] {
				t.Errorf("got  %s\nwant %s", got, want[i])
			}
		}
	}
	spillway(t, "status", "nope", "--admin", addr).want(t, 1, `no service is named "nope"`)
}

func TestStatusShowsColumnsThatTellEndpointsApart(t *testing.T) {
	endpoint := func(id string) admin.EndpointStatus {
		return admin.EndpointStatus{ID: id, Health: "UNHEALTHY", Admin: "READY", Weight: 1, Requests: 12345678, ShareActual: 1}
	}
	usual := admin.ServiceStatus{Name: "usual", Policy: "MAGLEV", Affinity: "NONE",
		Groups: []admin.GroupStatus{{Endpoints: []admin.EndpointStatus{endpoint("10.0.0.100:8080"), endpoint("b")}}}}
	drained, heavy := endpoint("10.0.0.100:8080"), endpoint("b")
	drained.Admin, drained.Reason, heavy.Weight = "DRAIN", "connection refused", 5
	heavy.Health, heavy.Dropped = "HEALTHY", "STANDBY"
	heavy.ReportedWeight, heavy.WeightError = new(uint32), "MISSING_WEIGHT"
	special := admin.ServiceStatus{Name: "special", Policy: "MAGLEV", Affinity: "CLIENT_IP", ActivePool: "BACKUP",
		Groups: []admin.GroupStatus{{Name: "eu", Endpoints: []admin.EndpointStatus{drained, heavy}}}}

	var out strings.Builder
	if err := printStatus(&out, []admin.ServiceStatus{usual, special}); err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(out.String(), "\n\n")
	if len(blocks) != 2 {
		t.Fatalf("got\n%s", out.String())
	}
	for line := range strings.Lines(blocks[0]) {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns do not fit into a terminal: %s", n, line)
		}
	}
	for _, head := range []string{"GROUP", "ADMIN", "WEIGHT", "REPORTED", "0 MISSING_WEIGHT", "DROPPED", "REASON", " by ", "backups are active"} {
		if strings.Contains(blocks[0], head) || !strings.Contains(blocks[1], head) {
			t.Errorf("%s is to be where it tells something, and only there:\n%s", head, out.String())
		}
	}
}

func TestStatusPrintsTheAPIsJSON(t *testing.T) {
	a := proxy(t, proxyFile(t, "a.toml", "127.0.0.1:0", "127.0.0.1:1"))
	var v struct {
		Services []struct {
			Name   string
			Groups []struct{ Endpoints []struct{ ID, Health string } }
		}
	}
	r := spillway(t, "status", "--json", "--admin", a.ListenAddr("admin").String()).want(t, 0)
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Services) != 1 || v.Services[0].Groups[0].Endpoints[0].ID != "127.0.0.1:1" {
		t.Errorf("%s", r.out)
	}
}

func TestDrainAndReadyMoveTheShare(t *testing.T) {
	a := proxy(t, proxyFile(t, "a.toml", "127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2"))
	addr := a.ListenAddr("admin").String()
	share := func() float64 { return a.Balancer("web").Status().Groups[0].Endpoints[0].ShareExpected }
	spillway(t, "drain", "web", "127.0.0.1:1", "--admin", addr).want(t, 0, "DRAIN", "0.0 % of new traffic")
	if share() != 0 {
		t.Errorf("share %v after drain", share())
	}
	r := spillway(t, "ready", "--json", "web", "127.0.0.1:1", "--admin", addr).want(t, 0)
	if share() != 0.5 || !strings.Contains(r.out, `"admin": "READY"`) {
		t.Errorf("share %v after ready; %s", share(), r.out)
	}
	spillway(t, "drain", "web", "nope", "--admin", addr).want(t, 1, `spillway drain: service "web" has no endpoint "nope"`)
	spillway(t, "drain", "nope", "127.0.0.1:1", "--admin", addr).want(t, 1, "nope")
}

func TestReloadTakesAGoodFileAndRefusesABadOne(t *testing.T) {
	file := proxyFile(t, "a.toml", "127.0.0.1:0", "127.0.0.1:1")
	a := proxy(t, file)
	addr := a.ListenAddr("admin").String()
	endpoints := func() int { return len(a.Balancer("web").Status().Groups[0].Endpoints) }

	proxyFile(t, file, "127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2")
	spillway(t, "reload", "--admin", addr).want(t, 0, "reloaded")
	if endpoints() != 2 {
		t.Errorf("%d endpoints after a reload", endpoints())
	}
	write(t, file, `[[listener]]`, `listen = ":1"`, `[nonsense]`)
	spillway(t, "reload", "--admin", addr).want(t, 3, file+":1: ", "\n"+file+":3: ")
	if endpoints() != 2 {
		t.Errorf("%d endpoints after a refused reload", endpoints())
	}
}

func TestTheProxyIsFoundByItsFile(t *testing.T) {
	addr := testkit.FreeAddr(t)
	file := proxyFile(t, "a.toml", addr, "127.0.0.1:1")
	proxy(t, file)
	spillway(t, "status", "-c", file).want(t, 0, "127.0.0.1:1")
	spillway(t, "reload", "-c", file).want(t, 0, "reloaded")
}

func TestTheTokenComesFromTheFileOrItsOwnFlag(t *testing.T) {
	dir := t.TempDir()
	token := write(t, filepath.Join(dir, "token"), "secret")
	wrong := write(t, filepath.Join(dir, "wrong"), "guess")
	addr := testkit.FreeAddr(t)
	file := write(t, filepath.Join(dir, "a.toml"),
		`[admin]`, `listen = "`+addr+`"`, `token_file = '`+token+`'`,
		`[[listener]]`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = ["127.0.0.1:1"]`)
	proxy(t, file)
	spillway(t, "status", "-c", file).want(t, 0)
	spillway(t, "status", "--admin", addr, "--token-file", token).want(t, 0)
	spillway(t, "status", "--admin", addr).want(t, 1, "--token-file FILE or")
	spillway(t, "status", "-c", file, "--token-file", wrong).want(t, 1, "token")
	spillway(t, "status", "-c", file, "--token-file", filepath.Join(dir, "none")).want(t, 1, "none")
}

func TestNobodyThereIsExitCode5(t *testing.T) {
	addr := testkit.FreeAddr(t)
	for _, line := range []string{"status", "status web", "drain web a", "ready web a", "reload"} {
		args := append(strings.Fields(line), "--admin", addr)
		spillway(t, args...).want(t, 5, "cannot be reached", addr, "--admin ADDR or -c FILE")
	}
	spillway(t, "status", "--admin", "unix:"+filepath.Join(t.TempDir(), "none")).want(t, 5)
	spillway(t, "status", "-c", write(t, "a.toml", goodFile...)).want(t, 5, "no [admin]")
	spillway(t, "status", "-c", proxyFile(t, "a.toml", "127.0.0.1:0", "127.0.0.1:1")).want(t, 5, "port 0")
	spillway(t, "status", "-c", "testdata/wrong.toml").want(t, 3)
}

func TestListenAddressesCanBeDialled(t *testing.T) {
	for listen, want := range map[string]string{
		":9900": "127.0.0.1:9900", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "10.0.0.1:1": "10.0.0.1:1",
		"localhost:1": "localhost:1", "unix:/run/a": "unix:/run/a", "[::1]:5": "[::1]:5",
	} {
		if got, err := dialable(listen); got != want || err != nil {
			t.Errorf("dialable(%s) = %s, %v; want %s", listen, got, err, want)
		}
	}
}

func TestSomethingElseThereIsNotTakenForAProxy(t *testing.T) {
	other := endpoint(t, "<html>")
	if _, _, err := net.SplitHostPort(other); err != nil {
		t.Fatal(err)
	}
	spillway(t, "status", "--admin", other).want(t, 1, "does not answer like Spillway")
}
