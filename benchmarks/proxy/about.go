//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// about says what the figures were measured on and with.
func about(o options, peers []*peer) []string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	lines := []string{
		fmt.Sprintf("%s, %d cores (%s), Linux %s, %s", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpuModel(), oneLine(string(kernel)), runtime.Version()),
		fmt.Sprintf("`%s`: %d rounds of %v after %v, interleaved", o.line, o.rounds, o.duration, o.warmup),
	}
	lines = append(lines, "proxy on core 0 with one worker, load and endpoints on core 1, but where a scenario says otherwise")
	for _, p := range peers {
		lines = append(lines, fmt.Sprintf("%s: %s", p.name, cmp.Or(p.version, "unknown version")))
	}
	return lines
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
