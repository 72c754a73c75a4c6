//go:build !faults && linux

package sys

import "syscall"

type direction uint8

const (
	reading direction = iota
	writing
)

func fault(int, direction) syscall.Errno { return 0 }

func shorten(n int) int { return n }

// FaultAccept may say that no connection is to be accepted now.
func FaultAccept() syscall.Errno { return 0 }
