//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// slowClients is how many slowhttptest opens.
const slowClients = 2000

// slowBody is what each of them asks for in order to read it slowly: more than the sockets take, so that the proxy holds the
// rest, but for all of them, whatever holds them, within the usual tcp_mem: beyond it the kernel slows down every connection of
// the machine, as it did with half a megabyte.
const slowBody = 320 << 10

// besides measures how long clients wait for their answers, without slow clients and then beside them, and what those cost
// in memory.
func (b *bench) besides(ctx context.Context, spec loadSpec) (result, error) {
	calm, err := b.load(ctx, spec)
	if err != nil {
		return result{}, fmt.Errorf("before the slow clients came: %w", err)
	}
	before := residentBytes(spec.ProxyPIDs)
	forgetPeak(spec.ProxyPIDs)
	res, err := b.underAttack(ctx, spec)
	if err != nil {
		return result{}, fmt.Errorf("beside the slow clients: %w", err)
	}
	time.Sleep(time.Second) // for the proxy, to notice that they are gone
	res.CalmP50, res.CalmP99 = calm.P50, calm.P99
	res.RSSBefore, res.RSSAfter = before, residentBytes(spec.ProxyPIDs)
	if res.Errors += calm.Errors; res.First == "" {
		res.First = calm.First
	}
	return res, nil
}

// underAttack has the load run when the slow clients are there, and sends those away.
func (b *bench) underAttack(ctx context.Context, spec loadSpec) (result, error) {
	slow, err := b.attack(spec.Scenario, spec.Addr)
	if err != nil {
		return result{}, err
	}
	defer slow.stop(syscall.SIGINT)
	if err := arrived(ctx, slow, spec.Addr); err != nil {
		return result{}, err
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, slow.pid(), lowest); err != nil {
		return result{}, err
	}
	res, err := b.load(ctx, spec)
	res.Held, res.RSSPeak = connectionsTo(spec.Addr), peakBytes(spec.ProxyPIDs)
	return res, err
}

// lowest is the priority that slowhttptest gets: it spins on poll(2) on the load's core, which it is to have only when the
// clients that are measured leave it.
const lowest = 19

func (b *bench) attack(sc scenario, addr string) (*process, error) {
	_, core := b.cores(sc)
	argv := append([]string{"slowhttptest"}, attackArguments(sc.Attack, addr)...)
	return launch(core, filepath.Join(b.dir, "slowhttptest.log"), nil, argv...)
}

// attackArguments: a piece every three seconds, so that a window of two has most of them, until it is stopped. Bodies are of a
// megabyte, of which little will come; a reader announces a window of at most 1 KiB and takes 32 bytes a second.
func attackArguments(mode, addr string) []string {
	path := "/128"
	if mode == "-X" {
		path = "/" + strconv.Itoa(slowBody)
	}
	argv := []string{
		mode, "-u", "http://" + addr + path, "-c", strconv.Itoa(slowClients), "-r", strconv.Itoa(slowClients / 2),
		"-i", "3", "-l", "600", "-p", "5", "-v", "1",
	}
	switch mode {
	case "-B":
		argv = append(argv, "-s", "1048576", "-x", "32")
	case "-X":
		argv = append(argv, "-w", "512", "-y", "1024", "-n", "1", "-z", "32")
	}
	return argv
}

// arrived waits until all slow clients are connected, or as long as one may wait for a proxy that does not let them in.
func arrived(ctx context.Context, slow *process, addr string) error {
	deadline := time.Now().Add(startTimeout - time.Second)
	return slow.until(ctx, func() bool {
		return connectionsTo(addr) >= slowClients || time.Now().After(deadline)
	})
}

// connectionsTo counts the established connections to an address of this machine, in /proc/net/tcp.
func connectionsTo(addr string) int {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return countEstablished(b, n)
}

// countEstablished looks at each line's second field, the local address and port in hexadecimal, and its fourth, of which 01
// is established (proc_net_tcp).
func countEstablished(table []byte, port int) (count int) {
	suffix := fmt.Appendf(nil, ":%04X", port)
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) > 3 && bytes.HasSuffix(fields[1], suffix) && string(fields[3]) == "01" {
			count++
		}
	}
	return count
}

// forgetPeak has the kernel begin its record of peak memory anew (clear_refs in proc(5)); where it may not, the peak is that
// since the proxy's start.
func forgetPeak(pids []int) {
	for _, pid := range pids {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}

// peakBytes adds up the most resident memory that each of pids has had.
func peakBytes(pids []int) (sum int64) {
	for _, pid := range pids {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			sum += parseKilobytes(b, "VmHWM:")
		}
	}
	return sum
}
