package capacity

// A Backend is one service's use of one group: in what its capacity is
// measured, how much there is of it, and how much of that is for this service
// (backends[] in the API, spec.md §2). The zero value is a group without a
// target.
type Backend struct {
	Mode Mode
	// MaxRate, MaxConnections and MaxInFlight are targets of the whole group, the
	// others of each endpoint: X of them is the same as X·N of the group. 0 is no
	// such target.
	MaxRate, MaxRatePerEndpoint               float64
	MaxConnections, MaxConnectionsPerEndpoint int64
	MaxInFlight, MaxInFlightPerEndpoint       int64
	// MaxUtilization is from 0 to 1, for Utilization. 0 stands for
	// DefaultUtilization where there is no other target; see NoUtilization.
	MaxUtilization float64
	// CustomMetrics are the metrics of CustomMetrics; the fullest counts.
	CustomMetrics []CustomMetric
	// Scaler is the part of the target that is to be used, 0.1 to 1; 0 stands
	// for 1. Drained is a scaler of 0: the group gets nothing new.
	Scaler  float64
	Drained bool
	// Preferred groups are filled before all others, the nearest first.
	Preferred bool
}

// MinScaler is the smallest scaler that is not 0: less is not worth a group.
const MinScaler = 0.1

// DefaultUtilization is the target of MaxUtilization where none is given.
const DefaultUtilization = 0.8

// NoUtilization is a MaxUtilization of 0, which itself stands for the default: a
// group with it is always full, whatever is reported, and gets what nobody else is
// there for.
const NoUtilization = 1e-9

// A CustomMetric is a metric that endpoints report, and how high it may go.
type CustomMetric struct {
	// Name is as spec.md §2.6 has it: "orca.cpu_utilization",
	// "orca.named_metrics.gpu".
	Name string
	// MaxUtilization is from 0 to 1; 0 stands for DefaultUtilization. See
	// NoUtilization.
	MaxUtilization float64
	// DryRun metrics are shown and do not count.
	DryRun bool
}
