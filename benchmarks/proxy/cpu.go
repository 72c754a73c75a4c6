//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A cpuSample says how long each thread of some processes has run, user and system together, by thread id.
type cpuSample map[int]time.Duration

// sampleCPU reads the threads of pids from /proc/PID/task/TID/schedstat, which counts nanoseconds (a running thread's are
// at most one tick old); where the kernel has no schedstat, from stat, which counts in 10 ms.
func sampleCPU(pids []int) cpuSample {
	sample := cpuSample{}
	for _, pid := range pids {
		dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		for _, dir := range dirs {
			tid, _ := strconv.Atoi(filepath.Base(dir))
			if d, err := threadTime(dir); err == nil { // a thread that ended since Glob has no time to add
				sample[tid] = d
			}
		}
	}
	return sample
}

func threadTime(dir string) (time.Duration, error) {
	if b, err := os.ReadFile(dir + "/schedstat"); err == nil {
		return parseSchedstat(string(b))
	}
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0, err
	}
	_, ticks, err := parseStat(string(b))
	return ticks, err
}

// since adds up what ran between two samples. Threads that were born count whole; those that ended in between are lost.
func (after cpuSample) since(before cpuSample) time.Duration {
	var sum time.Duration
	for tid, d := range after {
		sum += d - before[tid]
	}
	return sum
}

// parseSchedstat takes the first of its three numbers: nanoseconds on a CPU.
func parseSchedstat(s string) (time.Duration, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	return time.Duration(ns), err
}

// parseStat takes the parent and utime+stime (fields 4, 14 and 15 of proc(5)) from a stat line. The name in field 2 may
// hold spaces and parentheses, so it looks for the last one.
func parseStat(s string) (parent int, cpu time.Duration, err error) {
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, errors.New("a stat line with too few fields")
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	return parent, time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2, err3)
}

// processTree is pid and all that descend from it.
func processTree(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if parent, _, err := parseStat(string(b)); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// residentBytes adds up the resident memory of pids. smaps_rollup counts pages; statm may be off by a few per CPU.
func residentBytes(pids []int) int64 {
	sum := int64(0)
	for _, pid := range pids {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
			sum += parseKilobytes(b, "Rss:")
		} else if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
			sum += parseStatm(string(b))
		}
	}
	return sum
}

// parseKilobytes finds "NAME  1234 kB" and returns bytes; 0 without it.
func parseKilobytes(b []byte, name string) int64 {
	for line := range bytes.Lines(b) {
		if rest, found := bytes.CutPrefix(line, []byte(name)); found {
			fields := strings.Fields(string(rest))
			if len(fields) == 2 && fields[1] == "kB" {
				kb, _ := strconv.ParseInt(fields[0], 10, 64)
				return kb << 10
			}
		}
	}
	return 0
}

// parseStatm takes the second number, resident pages, and returns bytes.
func parseStatm(s string) int64 {
	fields := strings.Fields(s)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// machineBusy is the time that all cores together have not been idle since boot, in steps of 10 ms.
func machineBusy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(string(firstLine(b)))
}

// parseBusy adds user, nice, system, irq and softirq of a "cpu" line: not idle, not waiting for a disk, not stolen.
func parseBusy(line string) time.Duration {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return 0
	}
	ticks := int64(0)
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// A coreMask is the set of cores that a thread may run on (sched_setaffinity(2)); 1024 cores are what the kernel's own tools allow for.
type coreMask [16]uint64

func oneCore(core int) (m coreMask) {
	m[core/64] = 1 << (core % 64)
	return m
}

// currentCores and pinThread are about the calling thread; what it starts inherits them.
func currentCores() (m coreMask, err error) {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(m), uintptr(unsafe.Pointer(&m)))
	if errno != 0 {
		return m, errno
	}
	return m, nil
}

func pinThread(m coreMask) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(m), uintptr(unsafe.Pointer(&m)))
	if errno != 0 {
		return errno
	}
	return nil
}
