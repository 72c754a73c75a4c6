package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestDocumentsSpeakOfWhatIsThere(t *testing.T) {
	names := exportedByPackage(t)
	for _, doc := range documents(t) {
		for _, v := range broken(doc, read(t, doc), names) {
			t.Errorf("%s:%s", doc, v)
		}
	}
}

func TestBrokenReferencesAreFound(t *testing.T) {
	names := map[string][]string{"lb": {"Balancer", "Pick"}}
	for text, bad := range map[string]bool{
		"[a](docs/glossary.md)":            false,
		"[a](docs/glossary.md#words)":      false,
		"[a](docs/glossary.md#no-heading)": true,
		"[a](docs/nowhere.md)":             true,
		"[a](#no-heading)":                 true,
		"[a](https://example.com/x.md)":    false,
		"see `lb/pick.go`":                 false,
		"see `lb/nowhere.go`":              true,
		"run `go test ./lb`":               false,
		"run `go test ./nowhere`":          true,
		"run `go test ./...`":              false,
		"`balance/*.go`":                   false,
		"`balance/*.rs`":                   true,
		"`lb.Balancer`":                    false,
		"`lb.Balancer.Pick`":               false,
		"`lb.Blancer`":                     true,
		"`text/plain`, `10.0.0.0/8`":       false,
		"`/readyz`, `/proc/PID/status`":    false,
		"```\nlb/nowhere.go\n```":          false,
	} {
		if got := broken("README.md", text, names); (len(got) > 0) != bad {
			t.Errorf("%q: %q", text, got)
		}
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	symbol   = regexp.MustCompile(`^([a-z0-9]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\(.*\))?$`)
)

// broken returns the references of a document, each with its line, that lead
// nowhere: links, paths in code spans, and exported names of our packages.
func broken(doc, text string, names map[string][]string) []string {
	var found []string
	_, prose := blocks(text)
	for i, line := range strings.Split(prose, "\n") {
		report := func(format string, args ...any) {
			found = append(found, fmt.Sprintf("%d: ", i+1)+fmt.Sprintf(format, args...))
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if !leads(doc, text, m[1]) {
				report("link to %s, which is not there", m[1])
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			for _, word := range strings.Fields(m[1]) {
				if !named(path.Dir(doc), word) {
					report("%s is not there", word)
				}
			}
			if s := symbol.FindStringSubmatch(m[1]); s != nil && names[s[1]] != nil {
				for _, name := range s[2:] {
					if name != "" && !slices.Contains(names[s[1]], name) {
						report("package %s exports no %s", s[1], name)
					}
				}
			}
		}
	}
	return found
}

// leads reports whether a link of doc has an end.
func leads(doc, text, target string) bool {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return true
	}
	file, anchor, _ := strings.Cut(target, "#")
	if file != "" {
		full := filepath.Join(root, filepath.FromSlash(path.Join(path.Dir(doc), file)))
		if _, err := os.Stat(full); err != nil {
			return false
		}
		if anchor == "" {
			return true
		}
		b, err := os.ReadFile(full)
		if err != nil {
			return false
		}
		text = string(b)
	}
	return slices.Contains(anchors(text), anchor)
}

// anchors returns what the headings of a document can be linked by.
func anchors(text string) []string {
	var all []string
	_, prose := blocks(text)
	for line := range strings.SplitSeq(prose, "\n") {
		if title := strings.TrimLeft(line, "#"); len(title) < len(line) && strings.HasPrefix(title, " ") {
			all = append(all, anchor(title))
		}
	}
	return all
}

func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(title))
}

// named reports whether word, if it looks like a path of this repository, is
// one: it begins with "./", or with a directory of ours and a slash. A document
// may speak from its own directory or from the root.
func named(dir, word string) bool {
	word = strings.TrimRight(word, ",.;:")
	relative := strings.HasPrefix(word, "./")
	word = strings.TrimSuffix(strings.TrimPrefix(word, "./"), "/...")
	first, _, below := strings.Cut(word, "/")
	if word == "" || word == "..." || first == "" || !relative && !below {
		return true
	}
	looksLikeOurs := relative
	for _, base := range []string{root, filepath.Join(root, filepath.FromSlash(dir))} {
		if found, err := filepath.Glob(filepath.Join(base, filepath.FromSlash(word))); err == nil && len(found) > 0 {
			return true
		}
		info, err := os.Stat(filepath.Join(base, first))
		looksLikeOurs = looksLikeOurs || err == nil && info.IsDir()
	}
	return !looksLikeOurs
}

// exportedByPackage has the exported names of packages that others can import,
// by the package's name. Packages of one name share an entry.
func exportedByPackage(t *testing.T) map[string][]string {
	names := map[string][]string{}
	for _, s := range sources(t) {
		if !s.isLibrary() {
			continue
		}
		for _, f := range s.files {
			names[s.name()] = append(names[s.name()], exported(f)...)
		}
	}
	return names
}
