// Package sys makes the system calls that move bytes, without telling Go's
// scheduler.
//
// Go's own calls tell it each time, and on a busy machine it then takes the
// processor away from calls that last a few microseconds (docs/decisions/0006).
// These do not tell, which is right as long as none of them can block: each
// says so to the kernel (MSG_DONTWAIT, O_NONBLOCK, a timeout of zero), and an
// EAGAIN is for the caller to wait out. A call that a signal interrupts is made
// again.
//
// Built with the tag "faults" every call may come out as the kernel is free to
// make it come out: short, interrupted, or not yet. Tests are run once more so,
// for nothing that this proxy promises may depend on the kernel's mood. See
// faults.go.
package sys
