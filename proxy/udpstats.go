package proxy

import "sync/atomic"

// UDPStats count a service's datagrams.
type UDPStats struct {
	// Datagrams and Bytes are what was passed on.
	Datagrams, Bytes [directions]atomic.Uint64
}

// UDPDrop says why a datagram was not passed on.
type UDPDrop uint8

// The reasons.
const (
	DropNoEndpoint  UDPDrop = iota // nobody may be picked
	DropMaxSessions                // a new client beyond the listener's limit
	DropDraining                   // a new client while the listener drains
	DropNoPort                     // neither a port nor a descriptor is left for its session
	DropUnresolved                 // the endpoint's name has no address yet, and enough datagrams wait for it
	DropNoRoom                     // the socket's buffer is full
	DropTooBig                     // for the path (EMSGSIZE)
	DropRefused                    // the endpoint's machine said so
	DropSendFailed                 // the kernel would not send it
	DropStray                      // it came from no session's endpoint
	udpDrops
)

// UDPDropReasons names the reasons as the metric's label does.
var UDPDropReasons = [udpDrops]string{
	"no_endpoint", "max_connections", "draining", "no_port", "unresolved", "no_room", "too_big", "refused", "send_failed", "stray",
}

// UDPDrops count the datagrams that a listener did not pass on, by UDPDrop.
type UDPDrops [udpDrops]atomic.Uint64
