//go:build linux && !faults

package loop_test

import "math/rand/v2"

const harshly = false

func reseed(uint64) {}

func firstSeed() uint64 { return rand.Uint64() >> 1 }
