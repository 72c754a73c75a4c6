// Package handover passes the listening sockets of a process, and what it knows, to
// the process that is to take its place.
//
//	predecessor                          successor
//
//	Start ──── starts it ──────────────► Inherit
//	      ──── sockets (SCM_RIGHTS) ───►   opens what the file wants
//	Prepared ◄──────────────────────────  Prepared
//	Commit ─── what it knows by now ───►
//	       ◄────────────────────────────  Serving: both accept
//	stops accepting, drains, ends
//
// The sockets themselves are passed, not their addresses: connections that wait in a
// queue belong to the socket, and are accepted by whoever has it. Until Commit the
// successor may fail or vanish at any moment, and the predecessor goes on as if nothing
// had been: nothing of it has changed. What is known is passed at Commit only, so that
// nothing that happens while the successor prepares is missed.
//
// A [Socket] knows whose it was; [Take] finds those of one listener, of these and of
// the sockets that a service manager has opened.
package handover
