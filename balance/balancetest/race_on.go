//go:build race

package balancetest

const raceEnabled = true

// Beside the race detector a pick takes ten times as long.
const (
	keys      = 4000
	idlePicks = 12000
)
