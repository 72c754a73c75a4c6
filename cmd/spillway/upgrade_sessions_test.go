//go:build linux

package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// A file without keys for strong cookies has the process make one, which its successor
// gets to know.
func TestAnUpgradeKeepsStrongSessions(t *testing.T) {
	dir := t.TempDir()
	u := &upgradable{t: t, admin: "unix:" + filepath.Join(dir, "admin")}
	u.file = write(t, filepath.Join(dir, "u.toml"),
		`[admin]`, `listen = "`+u.admin+`"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `session_affinity = "STRONG_COOKIE_AFFINITY"`,
		`endpoints = ["`+endpoint(t, "a")+`", "`+endpoint(t, "b")+`", "`+endpoint(t, "c")+`"]`)
	u.process = start(t, "run", u.file)
	u.pids = []int{u.cmd.Process.Pid}
	t.Cleanup(func() {
		for _, pid := range u.pids[1:] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	u.http = u.await(listening)
	u.await(`listening.*listener=admin`)

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
