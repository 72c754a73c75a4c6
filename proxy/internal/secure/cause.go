package secure

import (
	"crypto/tls"
	"errors"
	"net"
	"os"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// A HandshakeError is why a connection was made, but not secure.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string {
	if errors.Is(e.Err, netio.ErrTruncated) {
		return "TLS handshake: the endpoint closed the connection"
	}
	return "TLS handshake: " + e.Err.Error()
}

// Unwrap returns what crypto/tls or the connection said.
func (e *HandshakeError) Unwrap() error { return e.Err }

// The causes, error types of RFC 9209 §2.3.
const (
	CertificateError = "tls_certificate_error" // the endpoint's certificate was not good
	AlertReceived    = "tls_alert_received"    // the endpoint refused, or gave up
	ProtocolError    = "tls_protocol_error"    // what came was no TLS, or nothing
)

// Cause names the failure of a handshake, or of a read that Refused knows; ""
// where err is neither.
func Cause(err error) string {
	var handshake *HandshakeError
	var certificate *tls.CertificateVerificationError
	switch {
	case isAlert(err):
		return AlertReceived
	case !errors.As(err, &handshake):
		return ""
	case errors.As(err, &certificate):
		return CertificateError
	}
	return ProtocolError
}

// Refused reports whether err, of the first read on a connection, means that its
// handshake has failed at the other end: nothing that was sent on it was read.
func Refused(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != alertOp {
		return false
	}
	for _, a := range handshakeAlerts {
		if op.Err.Error() == a.Error() {
			return true
		}
	}
	return false
}

// handshakeAlerts are sent about a certificate, or the lack of one, and the
// handshake's messages (RFC 8446 §6.2).
var handshakeAlerts = []tls.AlertError{
	40,  // handshake_failure
	42,  // bad_certificate
	43,  // unsupported_certificate
	44,  // certificate_revoked
	45,  // certificate_expired
	46,  // certificate_unknown
	48,  // unknown_ca
	49,  // access_denied
	51,  // decrypt_error
	116, // certificate_required
}

// alertOp is what crypto/tls says of an alert from the other end.
const alertOp = "remote error"

func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == alertOp
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
