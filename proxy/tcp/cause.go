package tcp

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/spillway-lb/spillway/proxy/internal/relay"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// causeOf names the failure of a dial.
func causeOf(err error) relay.Cause {
	if cause := secure.Cause(err); cause != "" {
		return relay.Cause(cause)
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return causeDNS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return causeTimeout
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return causeUnroutable
	case errors.Is(err, syscall.ECONNREFUSED):
		return causeRefused
	default:
		return causeNobody
	}
}
