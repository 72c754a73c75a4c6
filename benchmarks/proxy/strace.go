//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// countSystemCalls makes one more, short run of each proxy under strace, and puts the counts into its first result.
func (b *bench) countSystemCalls(ctx context.Context, sec section, taking []*peer, to endpointAddrs, endpointPID int) {
	for i, run := range sec.Runs {
		if run.Failure != "" {
			continue
		}
		res, err := b.measure(ctx, taking[i], sec.Scenario, to, endpointPID, b.traced)
		if err != nil {
			fmt.Fprintf(b.progress, "%-4s %-14s no system calls: %v\n", sec.Scenario.Name, run.Name, err)
			continue
		}
		run.Results[0].SystemCalls = res.SystemCalls
	}
}

// traced does a fixed number of operations under strace, which counts the calls of all the proxy's threads.
func (b *bench) traced(ctx context.Context, spec loadSpec) (result, error) {
	tracer, err := b.trace(ctx, spec.ProxyPIDs)
	if err != nil {
		return result{}, err
	}
	spec.Total = spec.Scenario.traceable()
	res, err := b.load(ctx, spec)
	tracer.stop(syscall.SIGINT) // upon which it writes its table
	if err != nil {
		return result{}, err
	}
	table, err := os.ReadFile(tracer.log)
	res.SystemCalls = callsPerOperation(string(table), spec.Scenario, res)
	return res, err
}

// traceable is how many operations make rare calls show: the 64 connections of S1 are 0.003 of its operations.
func (sc scenario) traceable() int {
	switch {
	case sc.Kind == stream:
		return 500e6
	case sc.Bulk || sc.Kind == tlsFresh:
		return 1000
	case sc.Body > 0 || sc.Kind == exchangeFresh || sc.Kind == echoFresh:
		return 5000
	default:
		return 20_000
	}
}

// trace attaches strace to all threads of pids; it counts until it is stopped.
func (b *bench) trace(ctx context.Context, pids []int) (*process, error) {
	binary, err := exec.LookPath("strace")
	if err != nil {
		return nil, err
	}
	argv := []string{binary, "-c", "-f"}
	for _, pid := range pids {
		argv = append(argv, "-p", fmt.Sprint(pid))
	}
	p, err := launch(b.loadCore, filepath.Join(b.dir, "strace.log"), nil, argv...)
	if err != nil {
		return nil, err
	}
	err = p.until(ctx, func() bool { // it says "Process 1 attached", once for each thread
		said, err := os.ReadFile(p.log)
		return err == nil && len(said) > 0
	})
	if err != nil {
		p.stop(syscall.SIGINT)
		return nil, err
	}
	time.Sleep(200 * time.Millisecond) // for the other threads
	return p, nil
}

// callsPerOperation divides strace's counts by the operations of the run; a stream's by its megabytes.
func callsPerOperation(table string, sc scenario, res result) map[string]float64 {
	operations := float64(res.AllOps)
	if sc.Kind == stream {
		operations /= 1e6
	}
	calls := parseStrace(table)
	maps.DeleteFunc(calls, func(_ string, n float64) bool { return n/operations < 0.005 })
	for name := range calls {
		calls[name] /= operations
	}
	return calls
}

// parseStrace reads the table of strace -c: calls by name, without its total.
//
//	% time     seconds  usecs/call     calls    errors syscall
//	------ ----------- ----------- --------- --------- ----------------
//	 50.00    0.100000          10     10000           sendto
func parseStrace(table string) map[string]float64 {
	calls := map[string]float64{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[len(fields)-1] == "total" {
			continue
		}
		if _, err := strconv.ParseFloat(fields[0], 64); err != nil {
			continue
		}
		if n, err := strconv.ParseFloat(fields[3], 64); err == nil {
			calls[fields[len(fields)-1]] += n
		}
	}
	return calls
}
