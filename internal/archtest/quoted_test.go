package archtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

var update = flag.Bool("update", false, "rewrite the tables in docs that are made from code")

// A block under <!-- from FILE --> is what FILE has between two lines that say
// "README: begin" and "README: end".
func TestQuotedCodeIsTheTestedCode(t *testing.T) {
	quoted := 0
	for _, doc := range documents(t) {
		fenced, _ := blocks(read(t, doc))
		for _, b := range fenced {
			file, ok := strings.CutPrefix(b.mark, "from ")
			if !ok {
				continue
			}
			quoted++
			want := between(read(t, file), "README: begin", "README: end")
			if b.text != want {
				t.Errorf("%s:%d is not what %s has between its marks:\n%s", doc, b.line, file, want)
			}
		}
	}
	if quoted == 0 {
		t.Error("no document quotes any code: the README should show examples/quickstart/main.go")
	}
}

// between returns the lines between those that contain begin and end, with the
// indentation of the first removed from each.
func between(text, begin, end string) string {
	var out strings.Builder
	var indent string
	inside, first := false, true
	for line := range strings.Lines(text) {
		switch {
		case strings.Contains(line, begin):
			inside = true
		case strings.Contains(line, end):
			inside = false
		case inside:
			if first {
				indent = line[:len(line)-len(strings.TrimLeft(line, "\t "))]
				first = false
			}
			out.WriteString(strings.TrimPrefix(line, indent))
		}
	}
	return out.String()
}

// A toml block is a whole file, unless <!-- part --> stands above it.
func TestQuotedFilesLoad(t *testing.T) {
	loaded := 0
	for _, doc := range documents(t) {
		fenced, _ := blocks(read(t, doc))
		for _, b := range fenced {
			if b.language != "toml" || b.mark == "part" {
				continue
			}
			loaded++
			path := filepath.Join(t.TempDir(), "spillway.toml")
			if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load(path); err != nil {
				t.Errorf("%s:%d: %v", doc, b.line, err)
			}
		}
	}
	if loaded == 0 {
		t.Error("no document has a file: the README should show one")
	}
}

// The table of imports in docs/architecture.md is the one that is tested.
func TestArchitectureShowsTheTable(t *testing.T) {
	const doc, begin, end = "docs/architecture.md", "<!-- imports -->\n", "<!-- end of imports -->\n"
	text := read(t, doc)
	before, rest, ok1 := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", doc)
	}
	want := before + begin + importTable() + end + after
	if text == want {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is stale; run: go test ./internal/archtest -update", doc)
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(doc)), []byte(want), 0o666); err != nil {
		t.Fatal(err)
	}
}

func importTable() string {
	var b strings.Builder
	b.WriteString("| package | may import, besides the standard library | because |\n|---|---|---|\n")
	for _, r := range table {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.dir, shortNames(r.may), r.why)
	}
	return b.String()
}

// shortNames lists packages, those of others by the part that people say.
func shortNames(all []string) string {
	if len(all) == 0 {
		return "–"
	}
	names := make([]string, len(all))
	for i, p := range all {
		switch {
		case strings.HasPrefix(p, "golang.org/x/"):
			p = strings.TrimPrefix(p, "golang.org/")
		case isModule(p):
			p = strings.TrimSuffix(p, "/v2")
			p = p[strings.LastIndex(p, "/")+1:]
		}
		names[i] = p
	}
	return strings.Join(names, ", ")
}
