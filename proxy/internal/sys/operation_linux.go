package sys

// An operation is a kind of call, each of which fails in its own ways.
type operation uint8

const (
	reading operation = iota
	writing
	filling // a pipe
	draining
	accepting
	connecting
	connected // or not: how connecting has ended
	registering
	shutting
	piping
	receiving // datagrams
	sending
)
