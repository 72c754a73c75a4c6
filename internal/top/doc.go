// Package top shows a running proxy in a terminal, as it changes: its services,
// their groups and endpoints, with health, shares, rates, fullness and what
// spills.
//
// [Lines] is pure: it makes lines of two readings of the admin API. [Run] asks,
// draws and listens to keys:
//
//	↑ ↓ PgUp PgDn   move      s   sort by name, rate, active or failures
//	p               pause     t   only what is in trouble
//	q, Esc, Ctrl-C  leave
package top
