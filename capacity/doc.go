// Package capacity chooses a group. A [Backend] says in what the capacity of a
// group is measured and how much of it there is. [Arrange] puts groups in tiers,
// the nearest first; traffic fills a tier, each group by its share, and spills to
// the next:
//
//	                                 of a demand of   100    150    400
//	┌ tier 0: eu, where the proxy is ┐
//	│   eu/a   target 80   share 0.8 │                 80     80    160
//	│   eu/b   target 20   share 0.2 │                 20     20     40
//	├ tier 1: us ────────────────────┤
//	│   us/a   target 80   share 0.8 │                  0     40    160
//	│   us/b   target 20   share 0.2 │                  0     10     40
//	└────────────────────────────────┘               full  spills  overfills
//
// While a tier has little to do, its groups in the proxy's own zone get more than
// their shares ([Bias]). Where many of a tier are ill, a part of the traffic does
// not even begin there (Tier.Entry), and an ill group gets a smaller share
// ([Availability]); but its target is what it was, and those of it that are well
// take more. [AutoDrain] takes groups out that are hardly there.
//
// [Plan.Fill] says what each group gets of a steady demand. Who serves real
// requests decides one by one: in the first tier with room, in the group whose
// turn it is, if that has room. A [Meter] knows whether a rate has.
//
// The file's modes, and what is counted:
//
//	RATE             requests per second
//	CONNECTION       open connections
//	IN_FLIGHT        requests under way
//	UTILIZATION      requests or connections per second, as many as bring what
//	CUSTOM_METRICS   endpoints report to its target: an [Estimate] learns how many
//
// The package is arithmetic: it has no clock, goroutine, lock or socket, and time
// is an argument. The numbers are those of spec.md §2 and §3.
package capacity
