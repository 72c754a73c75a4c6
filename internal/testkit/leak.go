package testkit

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// LeakCheck is the body of a TestMain: it runs the package's tests and then fails if they left goroutines or, on
// Linux, open file descriptors behind. What is about to end gets five seconds to do so.
//
//	func TestMain(m *testing.M) { testkit.LeakCheck(m) }
func LeakCheck(m *testing.M) {
	openPoller()
	goroutines, descriptors := otherGoroutines(), openDescriptors()

	code := m.Run()
	if code == 0 {
		if leak := awaitGone(goroutines, descriptors, 5*time.Second); leak != "" {
			fmt.Fprintln(os.Stderr, leak)
			code = 1
		}
	}
	os.Exit(code)
}

// awaitGone waits until no more is there than was before, and says what is left when patience ends.
func awaitGone(goroutines, descriptors []string, patience time.Duration) string {
	deadline := time.Now().Add(patience)
	for {
		stacks, files := otherGoroutines(), openDescriptors()
		switch late := time.Now().After(deadline); {
		case len(stacks) > len(goroutines) && late:
			return fmt.Sprintf("testkit: %d goroutines leaked; all that are there:\n\n%s",
				len(stacks)-len(goroutines), strings.Join(stacks, "\n\n"))
		case len(files) > len(descriptors) && late:
			return fmt.Sprintf("testkit: %d file descriptors leaked; all that are open:\n%s",
				len(files)-len(descriptors), strings.Join(files, "\n"))
		case len(stacks) <= len(goroutines) && len(files) <= len(descriptors):
			return ""
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// residents are goroutines that packages start once and keep for the life of the process.
var residents = []string{
	"os/signal.loop",
	"os/signal.signal_recv",
	"fasthttp.updateServerDate",
	"runtime.ensureSigM",
}

// otherGoroutines returns the stacks of all goroutines but the caller's and the residents.
func otherGoroutines() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var others []string
	for i, stack := range strings.Split(strings.TrimSpace(string(buf)), "\n\n") {
		if i > 0 && !resident(stack) { // the first is the caller
			others = append(others, stack)
		}
	}
	return others
}

func resident(stack string) bool {
	for _, name := range residents {
		if strings.Contains(stack, name) {
			return true
		}
	}
	return false
}

// openDescriptors names the process's open descriptors, where the system tells (Linux); elsewhere none.
func openDescriptors() []string {
	const dir = "/proc/self/fd"
	if runtime.GOOS != "linux" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		// Gone by now is the one that ReadDir had open for the directory itself.
		if target, err := os.Readlink(dir + "/" + e.Name()); err == nil {
			open = append(open, e.Name()+" "+target)
		}
	}
	return open
}

// openPoller makes the runtime open what it keeps for network polling, so that it is not taken for a leak.
func openPoller() {
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
}
