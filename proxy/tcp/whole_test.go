//go:build !faults

package tcp_test

const faulty = false
