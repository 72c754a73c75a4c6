package health

import (
	"math"
	"strconv"
)

// maxNumber is how long a number may be: as long as strconv needs no memory for
// it. What a double holds needs fewer.
const maxNumber = 32

// loadNumber reads a number in decimal.
func loadNumber(text []byte) (float64, error) {
	if len(text) == 0 || len(text) > maxNumber || !isDecimal(string(text)) {
		return 0, errLoadNumber
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, errLoadNumber
	}
	return value, nil
}

// isLoad reports whether a number from a binary report may be one.
func isLoad(value float64) bool { return value >= 0 && !math.IsInf(value, 1) }
