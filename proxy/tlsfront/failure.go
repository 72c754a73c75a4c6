package tlsfront

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// Counters only grow.
type Counters struct {
	// Full and Resumed are handshakes that were made, with a certificate and
	// with a session ticket.
	Full, Resumed atomic.Uint64
	// Failed is handshakes that were not, by Cause.
	Failed [causes]atomic.Uint64
	// Read is files that have changed and were read anew; ReadFailed those that
	// could not be used.
	Read, ReadFailed atomic.Uint64
}

func (c *Counters) made(resumed bool) {
	if resumed {
		c.Resumed.Add(1)
	} else {
		c.Full.Add(1)
	}
}

// Cause says why a handshake was not made.
type Cause uint8

// The causes.
const (
	Refused           Cause = iota // what the client offers or sends will not do: version, ciphers, protocol, no certificate
	NotTLS                         // its first bytes are no TLS
	ClientCertificate              // its certificate is not good
	ClientAlert                    // it refuses what we offer, such as our certificate
	Closed                         // it left
	Timeout                        // it took too long
	Crowded                        // it took long, and there were too many
	Aborted                        // we shut down
	causes
)

// Causes names the causes as the metric's label does.
var Causes = [causes]string{
	"refused", "not_tls", "client_certificate", "client_alert", "closed", "timeout", "crowded", "aborted",
}

// failed counts and logs a handshake that was not made. Who has come and gone
// without a word was looking whether somebody is there.
func (e *Engine) failed(c *client, err error) {
	if c.begun.IsZero() && !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	cause := e.causeOf(c, err)
	e.counters.Failed[cause].Add(1)
	level := slog.LevelDebug
	if cause == Crowded {
		level = slog.LevelWarn
	}
	if e.log.Enabled(level) {
		e.log.Write(level, "TLS handshake failed", slog.String("client", c.conn.RemoteAddr().String()),
			slog.String("cause", Causes[cause]), slog.Any("error", err))
	}
	switch cause {
	case NotTLS:
		if e.opt.HTTP {
			answerPlain(c.conn, err)
		}
	case Refused, ClientCertificate: // an alert says why
		part(c.conn)
	}
}

func (e *Engine) causeOf(c *client, err error) Cause {
	var header tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case c.left.Load():
		return Crowded
	case e.crowd.isClosed():
		return Aborted
	case errors.As(err, &header) && header.Conn != nil:
		return NotTLS
	case errors.As(err, &verification):
		return ClientCertificate
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	case errors.As(err, &op) && op.Op == "remote error": // as package tls calls an alert
		return ClientAlert
	case errors.Is(err, netio.ErrTruncated), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Closed
	}
	return Refused
}

// methods are how requests of HTTP begin, in the length of a record's header.
var methods = []string{"GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", "CONNE", "TRACE", "PRI *"}

const plainBody = "This port speaks HTTPS, and the request came as HTTP.\n"

var plainAnswer = "HTTP/1.1 400 Bad Request\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: " + strconv.Itoa(len(plainBody)) + "\r\n" +
	"Connection: close\r\n" +
	"\r\n" +
	plainBody

// answerPlain tells a client that speaks HTTP what is wrong, in HTTP.
func answerPlain(c *netio.Conn, err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || !slices.Contains(methods, string(header.RecordHeader[:])) {
		return
	}
	c.WriteBy(time.Now().Add(freshGrace))
	if _, err := io.WriteString(c.TLS().NetConn(), plainAnswer); err == nil {
		part(c)
	}
}

// part ends a connection below TLS whose client was told something. A close while
// it still sends would be a reset, which can overtake what it was told (RFC 9112
// §9.6).
func part(c *netio.Conn) {
	c.ReadBy(time.Now().Add(freshGrace))
	below := c.TLS().NetConn()
	if half, ok := below.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, below, 64<<10)
	}
}
