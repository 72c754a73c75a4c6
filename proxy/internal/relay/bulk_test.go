//go:build !faults

package relay_test

const bulk = 64 << 20
