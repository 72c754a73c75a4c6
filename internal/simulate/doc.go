// Package simulate plays traffic through a balancer in virtual time. The
// balancer is the real one, lb.Balancer: every request is a Pick and a Done,
// its clock is the simulation's, and Sweep is called once in every second of
// that. What is made up is what stands around it:
//
//	Curve ──► Paced, Poisson ─┐              ┌─► endpoint: service time, cores, queue
//	access log ──► ReadLog ───┴► Run ──► Pick┤        │
//	Failure, Scale ─────────────►│           └─◄ Done ┘ ──► Report
//	                             └► every second: reports of load, Sweep
//
// So a simulation answers what a file does under a demand: who gets which
// part, when a group is full, where the rest goes, what happens while an
// endpoint is ill and nobody has noticed yet. It does not say how fast a proxy
// is: picks, the network and the proxy itself take no time.
//
// There is one goroutine and no real clock: the same options and the same seed
// give the same report.
package simulate
