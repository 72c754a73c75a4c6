package archtest

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents returns the paths, below root, of what people read.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && p != root && (base[0] == '.' || base == "testdata" || base == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(p, ".md") {
			rel, err := filepath.Rel(root, p)
			all = append(all, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(all, "README.md") {
		t.Fatalf("found %q: this test looks in the wrong place", all)
	}
	return all
}

// A block is a fenced piece of a document, or one of its tables.
type block struct {
	line     int
	language string
	mark     string // the comment on the line above it: "from FILE", "part"
	text     string
}

var markLine = regexp.MustCompile(`^<!-- (.*) -->$`)

// blocks cuts the fenced blocks out of a document, and returns what is left
// with as many lines as before.
func blocks(text string) (fenced []block, rest string) {
	var prose []string
	var open *block
	mark := ""
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, language: language, mark: mark}
		case fence:
			fenced = append(fenced, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			prose = append(prose, line)
			if m := markLine.FindStringSubmatch(line); m != nil {
				mark = m[1]
			} else {
				mark = ""
			}
			continue
		}
		prose = append(prose, "")
		mark = ""
	}
	return fenced, strings.Join(prose, "\n")
}
