//go:build unix

package netio

import "golang.org/x/sys/unix"

// cpu is the processor time that this process has used, in nanoseconds.
func cpu() int64 {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}
