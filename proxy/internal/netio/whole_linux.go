//go:build !faults

package netio

// shorten is where a build with the tag faults makes system calls come out
// short, as the kernel may at any time (faults_linux.go). Here it does nothing.
func shorten(n int) int { return n }
