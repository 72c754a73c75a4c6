//go:build linux

package main

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// startUpgradableOf starts a proxy with the admin API, one listener for HTTP, and the rest
// of a file in dir.
func startUpgradableOf(t *testing.T, dir string, rest ...string) *upgradable {
	t.Helper()
	u := &upgradable{t: t, admin: "unix:" + filepath.Join(dir, "admin")}
	u.file = write(t, filepath.Join(dir, "u.toml"), append([]string{
		`[admin]`, `listen = "` + u.admin + `"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
	}, rest...)...)
	u.process = start(t, "run", u.file)
	u.pids = []int{u.cmd.Process.Pid}
	t.Cleanup(func() {
		for _, pid := range u.pids[1:] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	u.http = u.await(listening)
	u.await(`listening.*listener=admin`)
	return u
}

// A file without keys for strong cookies has the process make one, which its successor
// gets to know.
func TestAnUpgradeKeepsStrongSessions(t *testing.T) {
	u := startUpgradableOf(t, t.TempDir(),
		`[[service]]`, `name = "web"`, `session_affinity = "STRONG_COOKIE_AFFINITY"`,
		`endpoints = ["`+endpoint(t, "a")+`", "`+endpoint(t, "b")+`", "`+endpoint(t, "c")+`"]`)

	clients := make([]http.Client, 11)
	for i := range clients {
		clients[i].Jar, _ = cookiejar.New(nil)
		clients[i].Transport = &http.Transport{DisableKeepAlives: true}
	}
	turn := 0
	visit := func() []string {
		on := make([]string, len(clients))
		turn++
		for i := range clients {
			if turn%2 == 0 { // the other way round, that it is not by their turns that they come to where they were
				i = len(clients) - 1 - i
			}
			r, err := clients[i].Get("http://" + u.http + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(r.Body)
			r.Body.Close()
			on[i] = string(body)
		}
		return on
	}
	before := visit()
	for range 2 {
		u.upgrade()
		if after := visit(); !slices.Equal(before, after) {
			t.Errorf("sessions on %v are on %v", before, after)
		}
	}
}

// What a group has found outlives its source: the successor has it before it looks.
func TestAnUpgradeKeepsWhatWasFound(t *testing.T) {
	dir := t.TempDir()
	list := write(t, filepath.Join(dir, "endpoints.json"), `["`+endpoint(t, "a")+`"]`)
	u := startUpgradableOf(t, dir,
		`[[group]]`, `name = "found"`, `file = "endpoints.json"`,
		`[[service]]`, `name = "web"`, `[[service.backend]]`, `group = "found"`)
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		u.upgrade()
		if got := ask(t, u.http); got != "a" {
			t.Errorf("after the upgrade: %q", got)
		}
	}
}

// A process that has handed over says so to who asks it to do so again.
func TestAnUpgradeIsMadeOnce(t *testing.T) {
	u := startUpgradableOf(t, t.TempDir(), `[[service]]`, `name = "web"`, `endpoints = ["`+endpoint(t, "a")+`"]`)
	held, err := net.Dial("tcp", u.http) // so that it has something to drain
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if got := ask(t, u.http); got != "a" {
		t.Fatalf("%q", got)
	}
	u.upgrade()
	u.signal(syscall.SIGUSR2)
	u.await(`upgrade failed; this process goes on.*another process has taken over`)
	u.signal(syscall.SIGHUP)
	u.await(`reload failed; nothing has changed.*another process has taken over`)
}
