package lb

import "fmt"

// A Standing says whether an endpoint takes new traffic and, if not, the first
// reason why not. What was there before may go on.
type Standing uint8

// The standings, in the order in which eligible asks.
const (
	// InUse: it takes new traffic, as much as its share says.
	InUse Standing = iota
	// NotInSubset: other balancers use it, and this one does not need it.
	NotInSubset
	// IsDrained and IsDown: the operator said so.
	IsDrained
	IsDown
	// GroupDrained: the operator has given its group a capacity scaler of 0. Status and
	// Explain say the same of a group that was drained automatically.
	GroupDrained
	// NoWeight: its weight is 0, configured or, where reports count, reported.
	NoWeight
	// StandsBy: it belongs to the pool, primaries or backups, that is not active, or
	// to a level of its group, one of the reserves or what they are for, that is not
	// used.
	StandsBy
	// OtherZone: zonal affinity keeps traffic in another zone.
	OtherZone
	// InPanic: too few are healthy, and the panic is a closed one.
	InPanic
	// IsIll: it is UNHEALTHY or TIMEOUT.
	IsIll
	// NotKnown: its health is UNKNOWN, and somebody else's is HEALTHY.
	NotKnown
	// IsEjected: outlier detection has taken it out for a while.
	IsEjected
)

// String gives the admin API's spelling; "" for InUse.
func (s Standing) String() string {
	names := [...]string{
		InUse: "", NotInSubset: "SUBSET", IsDrained: "DRAIN", IsDown: "DOWN", GroupDrained: "GROUP_DRAINED", NoWeight: "WEIGHT_0", StandsBy: "STANDBY",
		OtherZone: "OTHER_ZONE", InPanic: "PANIC", IsIll: "UNHEALTHY", NotKnown: "UNKNOWN", IsEjected: "EJECTED",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("Standing(%d)", uint8(s))
}
