package host

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Ports is the range from which the kernel takes the ports of connections that are
// made without one, both ends included: net.ipv4.ip_local_port_range.
func Ports() (low, high int, err error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		return 0, 0, fmt.Errorf("host: ip_local_port_range: %w", err)
	}
	return low, high, nil
}

// MaxQueue is the most connections that may wait on one listening socket to be
// accepted: net.core.somaxconn.
func MaxQueue() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// Descriptors is how many descriptors this process has open, and how many it may.
func Descriptors() (open, limit uint64, err error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0, err
	}
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0, 0, err
	}
	limit, err = ParseOpenFiles(limits)
	return uint64(len(names)) - 1, limit, err // without dir's own
}

// ParseOpenFiles returns the soft limit of open files in /proc/PID/limits; ^0 where
// there is none.
func ParseOpenFiles(limits []byte) (uint64, error) {
	for line := range bytes.Lines(limits) {
		rest, ok := bytes.CutPrefix(line, []byte("Max open files"))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) == 0 {
			break
		}
		if string(fields[0]) == "unlimited" {
			return ^uint64(0), nil
		}
		return strconv.ParseUint(string(fields[0]), 10, 64)
	}
	return 0, fmt.Errorf("host: limits name no open files: %w", fs.ErrNotExist)
}

// Overflows counts, since the machine started, connections that a listening
// socket's queue had no room for.
func Overflows() (uint64, error) {
	text, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0, err
	}
	return ParseOverflows(text)
}

// ParseOverflows returns ListenOverflows of /proc/net/netstat: pairs of lines, one
// with names and one with numbers.
func ParseOverflows(netstat []byte) (uint64, error) {
	var names [][]byte
	for line := range bytes.Lines(netstat) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "TcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if string(name) == "ListenOverflows" && i < len(fields) {
				return strconv.ParseUint(string(fields[i]), 10, 64)
			}
		}
		break
	}
	return 0, fmt.Errorf("host: netstat has no ListenOverflows: %w", fs.ErrNotExist)
}
