//go:build !race

package balancetest

const raceEnabled = false

// How many picks a check takes that looks at where keys go, and at shares.
const (
	keys      = 20000
	idlePicks = 60000
)
