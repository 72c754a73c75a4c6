// Package capacity chooses a group. It knows the balancing modes, target
// capacities and scalers, works out which groups are filled in which order and
// with which shares, and decides when a group is full. It is arithmetic: no
// clock, no goroutine, no lock; time is an argument (spec.md §2 and §3).
package capacity
