//go:build faults && linux

package sys

import (
	"math/rand/v2"
	"syscall"
)

type direction uint8

const (
	reading direction = iota
	writing
)

// fault may say that a call is not to be made now.
func fault(int, direction) syscall.Errno { return 0 }

// shorten makes most calls ask for fewer bytes than they could, often for one:
// every read and write then ends in the middle of something.
func shorten(n int) int {
	switch rand.IntN(4) {
	case 0:
		return n
	case 1:
		return min(n, 1)
	default:
		return min(n, 1+rand.IntN(1+min(n, 64)))
	}
}

// FaultAccept may say that no connection is to be accepted now.
func FaultAccept() syscall.Errno { return 0 }
