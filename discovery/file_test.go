package discovery_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/discovery"
)

// A followed file is one that a source looks at.
type followed struct {
	*testing.T
	path string
	src  discovery.Source
}

func follow(t *testing.T) *followed {
	path := filepath.Join(t.TempDir(), "endpoints.json")
	return &followed{t, path, discovery.File(path, 0)}
}

// write writes into the file as it is, some time ago.
func (f *followed) write(text string, ago time.Duration) {
	f.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o644); err != nil {
		f.Fatal(err)
	}
	at := time.Now().Add(-ago)
	if err := os.Chtimes(f.path, at, at); err != nil {
		f.Fatal(err)
	}
}

func (f *followed) expect(want string) {
	f.Helper()
	a, err := f.src.Look(f.Context())
	if err != nil || addrs(a.Endpoints) != want || a.Unchanged != (want == "") || a.TTL != discovery.DefaultInterval {
		f.Errorf("%+v, %v; want %q", a, err, want)
	}
}

func (f *followed) expectError(want string) error {
	f.Helper()
	a, err := f.src.Look(f.Context())
	if err == nil || !strings.Contains(err.Error(), want) || a.TTL != discovery.DefaultInterval {
		f.Errorf("%+v, %v; want %q", a, err, want)
	}
	return err
}

func TestAFileIsReadAgainWhenItHasChanged(t *testing.T) {
	f := follow(t)
	f.write(`["a:1"]`, time.Hour)
	f.expect("a:1")
	f.expect("")
	f.write(`["b:1"]`, time.Minute) // the same size
	f.expect("b:1")
	f.expect("")
}

// Times of files are coarse.
func TestAFileThatChangesTwiceInOneMomentIsReadTwice(t *testing.T) {
	f := follow(t)
	now := time.Now()
	for _, want := range []string{"a:1", "b:1"} {
		f.write(`["`+want+`"]`, 0)
		if err := os.Chtimes(f.path, now, now); err != nil {
			t.Fatal(err)
		}
		f.expect(want)
		f.expect("")
	}
}

func TestAFileThatIsRenamedOverAnotherIsSeen(t *testing.T) {
	f := follow(t)
	f.write(`["a:1"]`, time.Hour)
	f.expect("a:1")
	next := &followed{t, f.path + ".next", nil}
	next.write(`["b:1"]`, time.Hour)
	if err := os.Rename(next.path, f.path); err != nil {
		t.Fatal(err)
	}
	f.expect("b:1")
}

// Kubernetes mounts endpoints.json → ..data/endpoints.json, ..data → ..2026_11_22, and
// swaps the second link.
func TestLinksThatAreSwappedAreFollowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	dir := t.TempDir()
	link := func(to, name string) {
		t.Helper()
		tmp := filepath.Join(dir, "tmp")
		if err := os.Symlink(to, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, "..v"+version), 0o755); err != nil {
			t.Fatal(err)
		}
		f := &followed{t, filepath.Join(dir, "..v"+version, "endpoints.json"), nil}
		f.write(`["`+version+`:1"]`, time.Hour)
	}
	link("..va", "..data")
	link("..data/endpoints.json", "endpoints.json")
	f := &followed{t, filepath.Join(dir, "endpoints.json"), discovery.File(filepath.Join(dir, "endpoints.json"), 0)}
	f.expect("a:1")
	link("..vb", "..data")
	f.expect("b:1")
}

func TestAMissingFileIsToldOnceAndReadWhenItIsThere(t *testing.T) {
	f := follow(t)
	if err := f.expectError("no such file"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f.expect("")
	f.write(`["a:1"]`, time.Hour)
	f.expect("a:1")
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.expectError("no such file")
	f.write(`["a:1"]`, time.Hour)
	f.expect("a:1")
}

func TestWhatIsWrongWithAFileHasItsLine(t *testing.T) {
	f := follow(t)
	f.write("[\n\"a:1\",\n\"b\":1]", time.Hour)
	f.expectError("endpoints.json:3: ")
	f.expect("") // told
	f.write("[]", time.Minute)
	if err := f.expectError("endpoints.json: nobody is there"); !errors.Is(err, discovery.ErrNobody) {
		t.Error(err)
	}
}

// A writer that does not rename is seen at work.
func TestHalfAFileIsAnErrorUntilTheOtherHalfIsThere(t *testing.T) {
	f := follow(t)
	f.write(`["a:1"]`, time.Hour)
	f.expect("a:1")
	f.write("", 0)
	f.expectError("ends too soon")
	f.write(`["a:1", "b`, 0)
	f.expectError("ends too soon")
	f.write(`["a:1", "b:1"]`, 0)
	f.expect("a:1 b:1")
}

func TestWhatIsNoFileOrTooLargeIsRefused(t *testing.T) {
	if _, err := discovery.File(t.TempDir(), 0).Look(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a directory: %v", err)
	}
	f := follow(t)
	f.write(strings.Repeat(" ", 16<<20+1), time.Hour)
	f.expectError("larger than 16 MiB")
}
