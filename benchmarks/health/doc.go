// Command health measures what it costs to check ten thousand endpoints every second.
//
//	go run ./health [-endpoints 10000] [-interval 1s] [-seconds 10] [-type TCP]
//
// The endpoints are addresses of 127.0.0.0/8, served by a process of its own, so that CPU time and memory are those of
// who checks. Reported are CPU and memory without checks, with the balancer's checks, and with a goroutine for each
// endpoint instead (health.Watch); what a pick costs in the meantime; and how many snapshots are published when a third
// of the endpoints, a zone, fails at once.
package main
