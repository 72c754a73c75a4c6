package testkit

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
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

// awaitGone waits until nothing is there that was not there before, and says what is left when patience ends.
func awaitGone(goroutines, descriptors []string, patience time.Duration) string {
	deadline := time.Now().Add(patience)
	for {
		stacks, files := added(goroutines, otherGoroutines()), added(descriptors, openDescriptors())
		switch late := time.Now().After(deadline); {
		case len(stacks) == 0 && len(files) == 0:
			return ""
		case late && len(stacks) > 0:
			return fmt.Sprintf("testkit: %d goroutines leaked:\n\n%s", len(stacks), strings.Join(stacks, "\n\n"))
		case late:
			return fmt.Sprintf("testkit: %d file descriptors leaked:\n%s", len(files), strings.Join(files, "\n"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// added returns what is in now and not in before. The first two words name a thing: "goroutine 7", "5 socket:[123]".
func added(before, now []string) []string {
	name := func(s string) string {
		words := strings.SplitN(s, " ", 3)
		return words[0] + " " + words[1]
	}
	known := map[string]bool{}
	for _, s := range before {
		known[name(s)] = true
	}
	return slices.DeleteFunc(now, func(s string) bool { return known[name(s)] })
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
