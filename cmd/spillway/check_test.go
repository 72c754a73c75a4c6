package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

var goodFile = []string{
	`[[listener]]`,
	`listen  = ":8080"`,
	`service = "web"`,
	`[[service]]`,
	`name      = "web"`,
	`endpoints = ["10.0.0.1:80", "10.0.0.2:80"]`,
}

func TestCheckReportsEveryProblemWithItsPlace(t *testing.T) {
	const file = "testdata/wrong.toml"
	r := spillway(t, "check", file).want(t, 3,
		file+":3: ", "did you mean listen?", file+":4: ", `did you mean "web"?`, file+":8: ", file+":9: ", "MAGLEFF")
	if r.err != "" {
		t.Errorf("standard error has %q", r.err)
	}
	for line := range strings.Lines(r.out) {
		if !strings.HasPrefix(line, file+":") {
			t.Errorf("a line without its place: %q", line)
		}
	}
}

func TestCheckSaysThatAFileIsGood(t *testing.T) {
	spillway(t, "check", "-c", write(t, "a.toml", goodFile...)).want(t, 0, "ok: 1 listener, 1 service, 2 endpoints")
}

func TestCheckOfWhatIsNoFileIsInvalid(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.toml"), t.TempDir()} {
		spillway(t, "check", path).want(t, 3, path)
		spillway(t, "run", "-c", path).want(t, 3, path)
	}
}

func TestCheckPrintsJSON(t *testing.T) {
	var v checked
	if err := json.Unmarshal([]byte(spillway(t, "check", "testdata/wrong.toml", "--json").want(t, 3).out), &v); err != nil {
		t.Fatal(err)
	}
	if v.Valid || len(v.Problems) < 4 || v.Problems[0].Line != 3 || v.Problems[0].Message == "" {
		t.Errorf("%+v", v)
	}
	out := spillway(t, "check", write(t, "a.toml", goodFile...), "--json").want(t, 0).out
	if err := json.Unmarshal([]byte(out), &v); err != nil || !v.Valid || !strings.Contains(out, `"problems": []`) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestWhatCheckPrintsIsTheSameFile(t *testing.T) {
	first := spillway(t, "check", "--print", write(t, "a.toml", goodFile...)).want(t, 0, "ROUND_ROBIN").out
	second := spillway(t, "check", "--print", write(t, "b.toml", first)).want(t, 0).out
	if first != second {
		t.Errorf("first:\n%s\nthen:\n%s", first, second)
	}
}

func TestWarningsDoNotMakeAFileInvalid(t *testing.T) {
	lines := append([]string{goodFile[0], `trusted_proxies = ["0.0.0.0/0"]`}, goodFile[1:]...)
	file := write(t, "a.toml", lines...)
	spillway(t, "check", file).want(t, 0, file+":2: ", "warning: ", "ok: ")
	r := spillway(t, "check", file, "--print").want(t, 0)
	if strings.Contains(r.out, "warning") || !strings.Contains(r.err, "warning") {
		t.Errorf("the warning is not apart from the file: %q", r.out)
	}
}

func TestRunRefusesAnInvalidFileWithAllItsProblems(t *testing.T) {
	r := spillway(t, "run", "testdata/wrong.toml").want(t, 3)
	if n := strings.Count(r.err, "testdata/wrong.toml:"); n < 4 {
		t.Errorf("%d problems:\n%s", n, r.err)
	}
}

func TestRunFailsWhereItCannotListen(t *testing.T) {
	taken := endpoint(t, "somebody")
	spillway(t, "run", "--listen", taken, "--to", "127.0.0.1:1").want(t, 1, fmt.Sprint(taken))
}
