package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each testdata/bad/*.toml has everything wrong with it that the .txt beside it
// says, and nothing else.
func TestEveryProblemIsReportedAtOnceWithItsLine(t *testing.T) {
	t.Setenv("SPILLWAY_TEST_LATIN1", "gr\xfc\xdfe")
	keys, err := filepath.Glob("testdata/tls/*.key")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys { // git does not keep who may read a file
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Parse(name, data)
			if err == nil {
				t.Fatal("the file loads")
			}
			golden := strings.TrimSuffix(file, ".toml") + ".txt"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestProblemsAreSortedByLineAndNameTheirFile(t *testing.T) {
	_, err := config.Load("testdata/bad/endpoints.toml")
	problems := config.Problems(err)
	if len(problems) < 20 {
		t.Fatalf("%d problems", len(problems))
	}
	line := 0
	for _, p := range problems {
		if p.File != "testdata/bad/endpoints.toml" || p.Line < line || p.Key == "" || p.Message == "" {
			t.Errorf("after line %d: %+v", line, *p)
		}
		line = p.Line
	}
}

func TestAFileThatCannotBeReadHasNoProblemsButAnError(t *testing.T) {
	_, err := config.Load("testdata/none.toml")
	if !os.IsNotExist(unwrap(err)) || config.Problems(err) != nil {
		t.Errorf("got %v", err)
	}
	if _, err := config.Load("testdata"); err == nil {
		t.Error("a directory loads")
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

// The toml package recurses without a bound; see maxDepth.
func TestHostileNestingIsRefused(t *testing.T) {
	const n = 1 << 20
	for name, text := range map[string]string{
		"arrays":        "a = " + strings.Repeat("[", n),
		"tables":        "a = " + strings.Repeat("{a=", n),
		"dotted key":    strings.Repeat("a.", n) + "a = 1",
		"header":        "[" + strings.Repeat("a.", n) + "a]",
		"after strings": "b = \"\"\"x\\\"\"\"\"\"\na = '[' # [\nc = " + strings.Repeat("[", n),
	} {
		_, err := config.Parse("f.toml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "nested too deeply") {
			t.Errorf("%s: got %.100v", name, err)
		}
	}
}

func TestHugeFilesAreRefused(t *testing.T) {
	_, err := config.Parse("f.toml", make([]byte, 17<<20))
	if err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("got %.100v", err)
	}
}
