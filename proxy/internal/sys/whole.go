//go:build !faults && linux

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Faulty says that calls come out badly on purpose; see faults.go.
const Faulty = false

// Calmly calls f.
func Calmly(f func()) { f() }

func fault(operation, int) syscall.Errno { return 0 }

func interrupted() bool { return false }

func slowConnect() bool { return false }

func shorten(n int) int { return n }

type withheld struct{}

// Withholds reports whether there is more than Ask has told.
func (withheld) Withholds() bool { return false }

func (withheld) room(n int) int { return n }

func (withheld) stir(_ []unix.EpollEvent, n int) int { return n }
