//go:build faults

package netio

import "math/rand/v2"

// shorten makes most calls ask for fewer bytes than they could, often for one:
// every read and write then ends in the middle of something. Tests are run once
// more with it (go test -tags faults), for nothing that this proxy promises may
// depend on how the kernel cuts a stream.
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
