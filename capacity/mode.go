package capacity

import (
	"fmt"
	"strings"
)

// A Mode says in what a group's target capacity is measured (spec.md §2.1,
// balancingMode in the API).
type Mode uint8

const (
	// NoMode is a group without a target: it is never full.
	NoMode Mode = iota
	// Rate counts HTTP requests per second.
	Rate
	// Connection counts open connections.
	Connection
	// Utilization goes by what endpoints report of their CPUs.
	Utilization
	// CustomMetrics goes by metrics of the operator's own that endpoints report.
	CustomMetrics
	// InFlight counts HTTP requests under way.
	InFlight
)

var modes = [...]string{
	NoMode: "", Rate: "RATE", Connection: "CONNECTION", Utilization: "UTILIZATION",
	CustomMetrics: "CUSTOM_METRICS", InFlight: "IN_FLIGHT",
}

// String gives the API's spelling; "" for NoMode.
func (m Mode) String() string {
	if int(m) < len(modes) {
		return modes[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode reads what String writes, in any case.
func ParseMode(s string) (Mode, error) {
	for i, name := range modes {
		if strings.EqualFold(s, name) {
			return Mode(i), nil
		}
	}
	return NoMode, fmt.Errorf("capacity: balancing mode %q: want RATE, CONNECTION, UTILIZATION, CUSTOM_METRICS or IN_FLIGHT", s)
}

// ByReports reports whether fullness comes from what endpoints report.
func (m Mode) ByReports() bool { return m == Utilization || m == CustomMetrics }
