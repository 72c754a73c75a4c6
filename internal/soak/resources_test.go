package soak_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resources are what can leak.
type resources struct {
	goroutines int
	sockets    int // descriptors; on Linux only
	pipes      int
	others     int
	heap       int // bytes
	resident   int // bytes; on Linux only
}

func countResources() resources {
	var r resources
	r.goroutines = runtime.NumGoroutine()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.heap = int(m.HeapAlloc)
	r.resident = residentBytes()
	const dir = "/proc/self/fd/"
	entries, _ := os.ReadDir(dir) // elsewhere there are none
	for _, e := range entries {
		target, err := os.Readlink(dir + e.Name())
		switch {
		case err != nil: // the one that ReadDir had
		case strings.HasPrefix(target, "socket:"):
			r.sockets++
		case strings.HasPrefix(target, "pipe:"):
			r.pipes++
		default:
			r.others++
		}
	}
	return r
}

func residentBytes() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if kB, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(kB)[0])
			return n << 10
		}
	}
	return 0
}

// resetsForMemory counts the connections that the kernel has reset because it
// had no memory for them, of all processes. After that nobody can promise anything.
func resetsForMemory() int {
	netstat, _ := os.ReadFile("/proc/net/netstat")
	var names []string
	for line := range strings.Lines(string(netstat)) {
		fields := strings.Fields(line)
		i := slices.Index(names, "TCPAbortOnMemory")
		if i >= 0 && i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			return n
		}
		names = fields
	}
	return 0
}

// settle gives back what is not in use; pools keep it for two collections.
func settle() {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
}

func (r resources) String() string {
	return fmt.Sprintf("%d goroutines, %d sockets, %d descriptors of pipes, %d other descriptors, heap %.1f MiB, RSS %.1f MiB",
		r.goroutines, r.sockets, r.pipes, r.others, float64(r.heap)/(1<<20), float64(r.resident)/(1<<20))
}

// noMoreThan compares what can be counted.
func (r resources) noMoreThan(before resources) bool {
	return r.goroutines <= before.goroutines && r.sockets <= before.sockets && r.pipes <= before.pipes && r.others <= before.others
}

// awaitResources waits until there is no more than before, and returns what is.
func awaitResources(before resources) resources {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now := countResources()
		if now.noMoreThan(before) || time.Now().After(end) {
			return now
		}
	}
}
