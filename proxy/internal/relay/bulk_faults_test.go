//go:build faults

package relay_test

const bulk = 1 << 20 // byte by byte
