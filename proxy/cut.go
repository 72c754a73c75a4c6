package proxy

import "github.com/spillway-lb/spillway/balance"

// A Cutter ends connections before their peers do. Engines are Cutters.
type Cutter interface {
	// Cut ends every connection to one of doomed, such that neither side takes it
	// for an end in good order: TCP by a reset for both; HTTP, where a response has
	// not begun, by a 504; a UDP session is forgotten, so that the next datagram of
	// its client finds another endpoint. It does not wait, and ends nothing twice.
	// Each is counted, when it has ended, in its service's Stats.Cuts. Nobody
	// changes doomed any more.
	Cut(doomed Doomed)
}

// Doomed is the endpoints whose connections are to be cut, and why.
type Doomed map[Place]CutCause

// A Place is an endpoint at its address, and the same in every snapshot: each
// service has a Load of its own for each of its endpoints, which follows the
// endpoint's ID.
type Place struct {
	Load *balance.Load
	Addr string
}

// PlaceOf returns the place of e.
func PlaceOf(e *balance.Endpoint) Place { return Place{e.Load, e.Addr} }
