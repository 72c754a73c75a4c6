//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "proxybench: runs on Linux only: it counts CPU time in /proc and makes its load with epoll")
	os.Exit(1)
}
