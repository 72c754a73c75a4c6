// Package discovery finds out which endpoints a group has: from DNS, or from a
// file that somebody else writes.
//
//	DNS   A and AAAA records of a name, at one port
//	SRV   SRV records: targets with ports, weights and priorities
//	File  a JSON file
//
// A [Source] answers once when it is asked. A [Watcher] asks it again and again,
// when its records expire or its file changes, and keeps the last good answer:
// a source that fails, or has suddenly nobody to name, empties no group. That is so
// for an authoritative "no such name" too. Who really wants nobody to get traffic
// drains them, or removes the group.
//
//	asked ──► answer ──────────────► Changed, if it differs; again when it expires
//	   └────► failure, or nobody ──► the last good answer stays; again after 1 s,
//	                                 2 s, 4 s … 30 s
//
// An endpoint is its address: who is in two answers keeps counters, health and
// connections, and who is in the second no more is drained. The order of records
// means nothing.
//
// Names are asked for as the C library would: /etc/hosts first, then the servers
// and search list of /etc/resolv.conf, over UDP and, where an answer does not
// fit, over TCP. nsswitch.conf is not read. Both files are read for every
// question, so a change needs nothing.
//
// The answers' times to live are believed within bounds. The package does no
// caching of its own, and asks only who it is told to.
package discovery
