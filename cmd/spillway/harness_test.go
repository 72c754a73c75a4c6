package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// TestMain lets the test binary stand for the command, for tests of what only a
// process has.
func TestMain(m *testing.M) {
	if os.Getenv("SPILLWAY_TEST_AS_COMMAND") != "" {
		main()
	}
	testkit.LeakCheck(m)
}

// A result is how a verb ended.
type result struct {
	code     int
	out, err string
}

// spillway runs a command line that needs no signal.
func spillway(t *testing.T, args ...string) result {
	t.Helper()
	return spillwayWith(t, make(chan os.Signal), new(lockedBuffer), args...)
}

func spillwayWith(t *testing.T, signals <-chan os.Signal, out *lockedBuffer, args ...string) result {
	t.Helper()
	var err bytes.Buffer
	c := &console{out: out, err: &err, signals: func() (<-chan os.Signal, func()) { return signals, func() {} }}
	code := c.run(args)
	return result{code, out.String(), err.String()}
}

// want checks the exit code and that the output says all of says.
func (r result) want(t *testing.T, code int, says ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, s := range says {
		if !strings.Contains(r.out+r.err, s) {
			t.Errorf("nothing says %q", s)
		}
	}
	if t.Failed() {
		t.Fatalf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
	return r
}

// A lockedBuffer can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// onWrite is called with everything so far.
	onWrite func(string)
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.b.Write(p)
	if b.onWrite != nil {
		b.onWrite(b.b.String())
	}
	return n, err
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// write makes a file of lines.
func write(t *testing.T, path string, lines ...string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// endpoint starts an HTTP endpoint that answers with its name.
func endpoint(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
