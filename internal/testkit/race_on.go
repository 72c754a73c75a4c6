//go:build race

package testkit

// UnderRace reports whether the race detector is at work, beside which pure
// arithmetic takes ten times as long. Tests that turn a wheel very often turn it
// less often there, and as often as ever without.
const UnderRace = true
