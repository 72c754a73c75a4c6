//go:build linux

package main

import (
	"fmt"
	"strings"
)

const (
	fullCore  = 0.90 // below it, the proxy was not the limit
	muchOther = 0.10 // of a core, used by what is neither proxy nor load
)

// remarks says what a reader must know before believing a section.
func remarks(sec section) []string {
	var remarks []string
	for _, run := range sec.Runs {
		if run.Failure != "" {
			remarks = append(remarks, fmt.Sprintf("**%s** stopped taking part after %d rounds: %s", run.Name, len(run.Results), oneLine(run.Failure)))
		}
		if len(run.Results) == 0 {
			continue
		}
		for _, res := range run.Results {
			if res.Errors > 0 {
				remarks = append(remarks, fmt.Sprintf("**%s**: the first error was %q", run.Name, oneLine(res.First)))
				break
			}
		}
		if sec.Scenario.Kind == idle || sec.Scenario.Kind == besides {
			continue
		}
		if doubt := doubt(sec.Scenario, run); doubt != "" {
			remarks = append(remarks, run.Name+": "+doubt)
		}
	}
	return remarks
}

// doubt says why the proxy's rate and latency are not its best, or "".
func doubt(sc scenario, run peerRun) string {
	proxy, load, rest := run.of(proxyBusy).median, run.of(loadBusy).median, run.of(restBusy).median
	others := fmt.Sprintf("other programs and kernel threads took %s of a core", percent(rest))
	switch {
	case sc.Workers > 0 || proxy >= fullCore:
		if rest > muchOther {
			return others
		}
		return ""
	case load >= fullCore:
		return fmt.Sprintf("its core was only %s busy, the load was the limit: the cost stands, rate and latency are not its best", percent(proxy))
	case rest > muchOther:
		return fmt.Sprintf("its core was only %s busy with it, %s", percent(proxy), others)
	default:
		return fmt.Sprintf("its core was only %s busy, and the load's %s: the work waits for something", percent(proxy), percent(load))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
