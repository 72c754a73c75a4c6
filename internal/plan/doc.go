// Package plan compares two files: what a reload from one to the other would do to
// the clients, endpoints, capacities and listeners of a proxy, said before it is
// done.
//
//	OLD ─► config ─► lb.New ─► tables ─┐
//	                                   ├─► Compare ─► Plan
//	NEW ─► config ─► lb.New ─► tables ─┘
//
// Nothing is estimated. Which part of the keys moves is read from the very tables
// that the proxy would pick from, side by side, and [Trace] finds the place of single
// keys in them. Whether a reload takes the file is for the rules of a reload to say.
//
// All of it is for the moment in which everybody is healthy, nobody is full and the
// operator has said nothing: the same two files always make the same plan. What a
// running proxy knows beside its file (health, reports, what the admin API was told)
// is not in it.
package plan
