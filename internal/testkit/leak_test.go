package testkit

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestLeakedGoroutineIsNamed(t *testing.T) {
	goroutines, descriptors := otherGoroutines(), openDescriptors()
	started, release := make(chan struct{}), make(chan struct{})
	go lingering(started, release)
	<-started
	report := awaitGone(goroutines, descriptors, 0)
	close(release)
	if !strings.Contains(report, "goroutines leaked") || !strings.Contains(report, "lingering") {
		t.Errorf("report is %q, want one that names the function", report)
	}
	if report := awaitGone(goroutines, descriptors, time.Minute); report != "" {
		t.Errorf("what has ended is still reported: %s", report)
	}
}

// lingering is a goroutine that somebody forgot.
func lingering(started chan<- struct{}, release <-chan struct{}) {
	close(started)
	<-release
}

func TestLeakedDescriptorIsNamed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lists them")
	}
	goroutines, descriptors := otherGoroutines(), openDescriptors()
	f, err := os.CreateTemp(t.TempDir(), "forgotten")
	if err != nil {
		t.Fatal(err)
	}
	report := awaitGone(goroutines, descriptors, 0)
	f.Close()
	if !strings.Contains(report, "descriptors leaked") || !strings.Contains(report, "forgotten") {
		t.Errorf("report is %q, want one that names the file", report)
	}
	if report := awaitGone(goroutines, descriptors, time.Minute); report != "" {
		t.Errorf("what is closed is still reported: %s", report)
	}
}
