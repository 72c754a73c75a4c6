//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// A loadSpec is what the harness tells the load process, as JSON on its standard input.
type loadSpec struct {
	Scenario  scenario
	Addr      string        // of the proxy
	Warmup    time.Duration // before anything is counted
	Duration  time.Duration // of the window that is counted; idle connections: how long they wait before memory is read
	Total     int           // when not 0: no window, but about so many operations and no more
	ProxyPIDs []int         // whose CPU time and memory the window is charged to
	LoadPIDs  []int         // the endpoints' processes; the load process adds itself
}

// A result is what one run measured, as JSON on the load process's standard output.
type result struct {
	Ops      uint64        // operations in the window; a stream's are bytes, idle's are connections
	AllOps   uint64        // operations since the start, warm-up included
	Errors   uint64        // since the start
	First    string        // the first error
	Wall     time.Duration // the window
	ProxyCPU time.Duration // of ProxyPIDs in the window
	LoadCPU  time.Duration // of the load and the endpoints in the window
	RestCPU  time.Duration // of all else on the machine in the window: other programs, kernel threads

	P50, P99 time.Duration

	RSSBefore, RSSAfter int64 // idle: bytes of ProxyPIDs without and with the connections; besides: before the slow clients and after

	// Filled in by the harness.
	SystemCalls      map[string]float64 // per operation, by a run under strace
	CalmP50, CalmP99 time.Duration      // besides: before the slow clients came
	RSSPeak          int64              // besides: the most that ProxyPIDs had at once
	Held             int                // besides: slow clients that were still connected at the end of the window
}

// runLoad reads a loadSpec, does the work, writes a result.
func runLoad(r io.Reader, w io.Writer) error {
	var spec loadSpec
	if err := json.NewDecoder(r).Decode(&spec); err != nil {
		return err
	}
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	spec.LoadPIDs = append(spec.LoadPIDs, os.Getpid())
	if spec.Scenario.tls() {
		debug.SetGCPercent(400) // a handshake is garbage
		res, err := runTLSLoad(spec)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(res)
	}
	l, err := newClientLoop(spec)
	if err != nil {
		return err
	}
	measure := l.window
	switch {
	case spec.Total > 0:
		measure = l.exactly
	case spec.Scenario.Kind == idle:
		measure = l.idle
	}
	res, err := measure(spec)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(res)
}

// window opens the connections, warms up, and counts for the duration.
func (l *clientLoop) window(spec loadSpec) (result, error) {
	l.open(spec.Scenario.Conns)
	if err := l.runUntil(l.now() + spec.Warmup.Nanoseconds()); err != nil {
		return result{}, err
	}

	ops := l.ops
	l.latency.reset()
	proxy, load, machine := sampleCPU(spec.ProxyPIDs), sampleCPU(spec.LoadPIDs), machineBusy()
	begun := l.now()
	if err := l.runUntil(begun + spec.Duration.Nanoseconds()); err != nil {
		return result{}, err
	}
	wall := time.Duration(l.now() - begun)
	res := result{
		Ops:      l.ops - ops,
		AllOps:   l.ops,
		Wall:     wall,
		ProxyCPU: sampleCPU(spec.ProxyPIDs).since(proxy),
		LoadCPU:  sampleCPU(spec.LoadPIDs).since(load),
		P50:      time.Duration(l.latency.quantile(0.50)),
		P99:      time.Duration(l.latency.quantile(0.99)),
	}
	res.RestCPU = max(machineBusy()-machine-res.ProxyCPU-res.LoadCPU, 0)
	res.Errors, res.First = l.errors, l.firstError
	return res, nil
}

// exactly opens the connections and shares the operations out among them. It leaves no request half done, so that what the
// proxy did meanwhile is what these operations take; a stream has no requests, and is cut when it has brought enough.
func (l *clientLoop) exactly(spec loadSpec) (result, error) {
	total := uint64(spec.Total)
	if l.kind != stream {
		l.quota = max(spec.Total/spec.Scenario.Conns, 1)
		total = uint64(l.quota * spec.Scenario.Conns)
	}
	deadline := l.now() + totalTimeout.Nanoseconds()
	begun := l.now()
	l.open(spec.Scenario.Conns)
	for l.ops < total {
		if err := l.step(deadline); err != nil {
			return result{}, err
		}
		if l.now() >= deadline {
			return result{}, fmt.Errorf("only %d of %d operations within %v", l.ops, total, totalTimeout)
		}
	}
	return result{Ops: l.ops, AllOps: l.ops, Errors: l.errors, First: l.firstError, Wall: time.Duration(l.now() - begun)}, nil
}

// totalTimeout bounds what has no duration.
const totalTimeout = time.Minute

// idleBatch is how many connections are being opened at any time.
const idleBatch = 64

// idle opens the connections in batches, each for one request, lets the proxy settle and reads its memory. A connection
// that the proxy closes meanwhile is an error: its memory would be missing. One batch more comes first and is not counted:
// with it come the pages of code and the pools that all connections share.
func (l *clientLoop) idle(spec loadSpec) (result, error) {
	if err := l.openIdle(idleBatch); err != nil {
		return result{}, err
	}
	if err := l.runUntil(l.now() + spec.Duration.Nanoseconds()); err != nil {
		return result{}, err
	}
	before, warm := residentBytes(spec.ProxyPIDs), l.ops
	if err := l.openIdle(idleBatch + spec.Scenario.Conns); err != nil {
		return result{}, err
	}
	if err := l.runUntil(l.now() + spec.Duration.Nanoseconds()); err != nil {
		return result{}, err
	}
	return result{
		Ops: l.ops - warm, AllOps: l.ops, Errors: l.errors, First: l.firstError,
		Wall: spec.Duration, RSSBefore: before, RSSAfter: residentBytes(spec.ProxyPIDs),
	}, nil
}

// openIdle opens connections until there are total.
func (l *clientLoop) openIdle(total int) error {
	deadline := l.now() + totalTimeout.Nanoseconds()
	l.quota = 1
	for opened := int(l.ops); int(l.ops) < total; {
		n := min(idleBatch-(opened-int(l.ops)), total-opened)
		l.open(n)
		opened += n
		if err := l.step(deadline); err != nil {
			return err
		}
		if l.now() >= deadline {
			return fmt.Errorf("only %d of %d connections had an answer within %v", l.ops, total, totalTimeout)
		}
	}
	return nil
}
