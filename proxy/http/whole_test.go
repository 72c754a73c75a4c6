//go:build !faults

package http_test

const faulty = false
