//go:build race

package soak_test

// maxResidentGrowth is no limit: the race detector remembers what memory was used
// for, several times its size.
const maxResidentGrowth = 1 << 40
