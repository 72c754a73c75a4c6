package testkit

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestALeakedGoroutineIsFound(t *testing.T) {
	goroutines, descriptors := otherGoroutines(), openDescriptors()
	release := make(chan struct{})
	go leakUntil(release)
	if leak := awaitGone(goroutines, descriptors, 20*time.Millisecond); !strings.Contains(leak, "1 goroutines leaked") || !strings.Contains(leak, "leakUntil") {
		t.Errorf("a leaked goroutine is reported as %q", leak)
	}
	close(release)
	if leak := awaitGone(goroutines, descriptors, 5*time.Second); leak != "" {
		t.Errorf("one that ended is still reported: %s", leak)
	}
}

func leakUntil(release chan struct{}) { <-release }

func TestALeakedDescriptorIsFound(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("descriptors are counted on Linux only")
	}
	openPoller()
	goroutines, descriptors := otherGoroutines(), openDescriptors()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if leak := awaitGone(goroutines, descriptors, 20*time.Millisecond); !strings.Contains(leak, "1 file descriptors leaked") || !strings.Contains(leak, "socket:") {
		t.Errorf("an open socket is reported as %q", leak)
	}
	ln.Close()
	if leak := awaitGone(goroutines, descriptors, 5*time.Second); leak != "" {
		t.Errorf("a closed one is still reported: %s", leak)
	}
}
