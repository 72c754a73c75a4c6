package secure

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// The causes of connections that were not made, before there was anything to
// secure: error types of RFC 9209 §2.3.
const (
	ConnectionRefused = "connection_refused"
	Unroutable        = "destination_ip_unroutable"
	Unresolved        = "dns_error"
	TimedOut          = "connection_timeout"
	Unavailable       = "destination_unavailable" // none of the others
	OutOfResources    = "proxy_internal_error"    // we are: of descriptors, ports or memory, which is no endpoint's fault
)

// DialCause names why Dial has failed, or a loop's dial: one of the causes above,
// or of Cause.
func DialCause(err error) string {
	if cause := Cause(err); cause != "" {
		return cause
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case isAny(err, syscall.ECONNREFUSED, syscall.ENOENT): // no such Unix socket
		return ConnectionRefused
	case isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH):
		return Unroutable
	case isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOMEM, syscall.ENOBUFS):
		return OutOfResources
	case errors.As(err, &dns):
		return Unresolved
	case isAny(err, syscall.EAGAIN): // a Unix socket with a full backlog; EAGAIN says it is a timeout
		return Unavailable
	case isAny(err, os.ErrDeadlineExceeded, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	}
	return Unavailable
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
