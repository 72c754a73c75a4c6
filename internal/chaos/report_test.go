//go:build linux

package chaos_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what happened, as a page.
func (z *zoo) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Chaos: %v, %s\n\n", *length, where())
	fmt.Fprintf(&b, "%d endpoints, each a process, seed %d. ", many, *seed)
	if !canCutOff() {
		b.WriteString("Nobody was cut off: the network was not its own. ")
	}
	fmt.Fprintf(&b, "Checks every %v, timeout %v, %d failures: the detection time is %v.\n\n", checkInterval, checkTimeout, threshold, detection)

	b.WriteString("| what was done | times |\n|---|---:|\n")
	rows(&b, z.chronicle.done)
	b.WriteString("\n| what clients saw | times |\n|---|---:|\n")
	rows(&b, z.judge.counts)
	fmt.Fprintf(&b, "\nFrom a fault to the last failure that it excuses: %v.\n", z.judge.worst.Round(time.Millisecond))
	fmt.Fprintf(&b, "At most %d of %d endpoints were ejected at once (the file allows %d %%).\n", z.ejected, many, maxEjected)
	fmt.Fprintf(&b, "Goroutines %.0f before, %.0f after; descriptors %.0f before, %.0f after; leases left: %d; processes left: %d.\n",
		z.goroutines[0], z.goroutines[1], z.fds[0], z.fds[1], z.leases(), len(z.proxy.processes()))
	fmt.Fprintf(&b, "What nothing excuses: %d.\n", len(z.judge.violations))
	return b.String()
}

func rows(b *strings.Builder, counts map[string]int) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "| %s | %d |\n", what, counts[what])
	}
}
