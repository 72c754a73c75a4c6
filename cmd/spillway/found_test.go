package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a command says before is what a proxy would do: with the endpoints that it
// would find.
func TestExplainFindsTheEndpointsThatTheFileDoesNotList(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("spillway.toml", `
[[listener]]
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
[[service.backend]]
group = "listed"
[[group]]
name = "listed"
file = "endpoints.json"
`)
	explain := func() (code int, out, errs string) {
		var o, e strings.Builder
		code = (&console{out: &o, err: &e}).run([]string{"explain", "-c", file, "--service", "web"})
		return code, o.String(), e.String()
	}
	if code, _, errs := explain(); code != exitFound || !strings.Contains(errs, `group "listed"`) || !strings.Contains(errs, "no such file") {
		t.Errorf("without the list: exit code %d, %s", code, errs)
	}
	write("endpoints.json", `["10.0.0.9:80"]`)
	if code, out, errs := explain(); code != 0 || !strings.Contains(out, "10.0.0.9:80") || errs != "" {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}
