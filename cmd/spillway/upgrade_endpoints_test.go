//go:build linux

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/handover"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A moody endpoint says to its checks and to its requests what it is told.
type moody struct {
	addr         string
	check, serve atomic.Int64 // status codes
	requests     atomic.Int64
}

func newMoody(t *testing.T) *moody {
	t.Helper()
	p := new(moody)
	p.check.Store(http.StatusOK)
	p.serve.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/check" {
			w.WriteHeader(int(p.check.Load()))
			return
		}
		p.requests.Add(1)
		w.WriteHeader(int(p.serve.Load()))
	}))
	t.Cleanup(server.Close)
	p.addr = server.Listener.Addr().String()
	return p
}

// What is known of endpoints outlives the process that has found it, also where the
// next one sees something else at its first look, and the one after that.
func TestAnUpgradeKeepsWhatIsKnownOfEndpoints(t *testing.T) {
	var others []*moody // of each service one that nothing is the matter with
	service := func(name string, of *moody, lines ...string) []string {
		other := newMoody(t)
		others = append(others, other)
		return append([]string{
			`[[listener.route]]`, `path_prefix = "/` + name + `"`, `service = "` + name + `"`,
			`[[service]]`, `name = "` + name + `"`, `endpoints = ["` + of.addr + `", "` + other.addr + `"]`,
		}, lines...)
	}
	ill, hasty, ejected := newMoody(t), newMoody(t), newMoody(t)
	ill.check.Store(http.StatusInternalServerError)
	// Ten checks take longer than the test.
	const check = `type = "HTTP", request_path = "/check", check_interval = "60s"`
	u := startUpgradableOf(t, t.TempDir(), slices.Concat(
		service("web", ill, `health_check = { `+check+`, healthy_threshold = 10, unhealthy_threshold = 1 }`),
		service("hasty", hasty, `health_check = { `+check+`, unhealthy_threshold = 10 }`),
		service("judged", ejected, `outlier_detection = { base_ejection_time = "300s" }`))...)
	is := func(p *moody, word string) bool {
		return regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(p.addr) + `.*\b` + word + `\b`).MatchString(spillway(t, "status", "--admin", u.admin).want(t, 0).out)
	}
	testkit.Eventually(t, func() bool { return is(ill, "UNHEALTHY") && is(hasty, "HEALTHY") })
	ejected.serve.Store(http.StatusServiceUnavailable)
	testkit.Eventually(t, func() bool { visit(t, "http://"+u.http+"/judged", 10); return is(ejected, "EJECTED") })

	// From here on each looks as if it were the contrary.
	ejected.serve.Store(http.StatusOK)
	ill.check.Store(http.StatusOK)
	hasty.check.Store(http.StatusInternalServerError)
	for n := range 3 {
		u.upgrade()
		testkit.Eventually(t, func() bool { return isGone(u.pids[n]) })
		moodies := append([]*moody{ill, hasty, ejected}, others...)
		for _, p := range moodies {
			p.requests.Store(0)
		}
		for _, path := range []string{"/web", "/hasty", "/judged"} {
			visit(t, "http://"+u.http+path, 30)
		}
		for i, want := range []int64{0, 15, 0, 30, 15, 30} {
			if got := moodies[i].requests.Load(); got != want {
				t.Errorf("after upgrade %d number %d of those that are ill, hasty, ejected and the others of their services gets %d requests, want %d", n+1, i, got, want)
			}
		}
		if !is(ill, "UNHEALTHY") || !is(hasty, "HEALTHY") || !is(ejected, "EJECTED") {
			t.Errorf("after upgrade %d:\n%s", n+1, spillway(t, "status", "--admin", u.admin).out)
		}
	}
}

// visit sends n requests on connections of their own.
func visit(t *testing.T, url string, n int) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range n {
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
}

// Whatever a process of another version says that it knows, its successor takes over.
func TestKnowledgeThatIsNotUnderstoodIsNoObstacle(t *testing.T) {
	for name, c := range map[string]struct {
		knowledge any
		says      string
	}{
		"of an older version":          {nil, ""},
		"something else":               {[]int{1, 2}, "cannot unmarshal array"},
		"of a later version":           {map[string]any{"web": map[string]int{"version": 99}}, "version 99, want 1"},
		"something else, of a service": {map[string]any{"web": "hot"}, "cannot unmarshal string"},
		"of services that are gone":    {map[string]any{"elsewhere": 7}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "a.toml",
				`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
				`[[service]]`, `name = "web"`, `endpoints = ["`+endpoint(t, "a")+`"]`)
			cmd, log := exec.Command(os.Args[0], "run", file), new(lockedBuffer)
			cmd.Env, cmd.Stderr = append(os.Environ(), "SPILLWAY_TEST_AS_COMMAND=1"), log
			s, err := handover.Start(cmd, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = syscall.Kill(s.PID(), syscall.SIGKILL)
				testkit.Eventually(t, func() bool { return isGone(s.PID()) })
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.Prepared(ctx); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(ctx, map[string]any{"knowledge": c.knowledge}); err != nil {
				t.Fatal(err)
			}
			var addr []string
			testkit.Eventually(t, func() bool {
				addr = regexp.MustCompile(`listening.*address=(\S+)`).FindStringSubmatch(log.String())
				return addr != nil
			})
			if got := ask(t, addr[1]); got != "a" {
				t.Errorf("answer %q", got)
			}
			const warning = "what the other process knows of endpoints is not understood"
			if got := log.String(); strings.Contains(got, warning) != (c.says != "") || !strings.Contains(got, c.says) {
				t.Errorf("want a warning that says %q:\n%s", c.says, got)
			}
		})
	}
}
