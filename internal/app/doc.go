// Package app turns a configuration into running objects and keeps them in step
// with it: services with their balancers, listeners with their engines, the
// admin API, the access log.
//
//	config.Config ──► build ──► parts ──► swap ──► running state
//	                    │ can fail         │ cannot
//	                    ▼                  ▼
//	              new objects only    old ones are updated, retired, or kept
//
// A reload goes the same way as a start. What a file describes again keeps its
// identity, found by name: a service its counters, health and place in the
// rotation, a listener its socket and connections.
package app
