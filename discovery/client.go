package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// What one question to one server may take, and how often all servers are asked.
const (
	queryTimeout = 2 * time.Second
	queryRounds  = 2
	// datagram is the largest answer that is asked for over UDP: what passes every
	// path without fragments (the value of DNS flag day 2020).
	datagram = 1232
)

// A client asks name servers.
type client struct {
	servers []string // "IP:port"; empty: the system's
}

// ask returns an answer that says something of the name: NOERROR or NXDOMAIN. It
// tries the servers in order until one has such an answer.
func (c client) ask(ctx context.Context, servers []string, name string, qtype uint16) (*dns.Msg, error) {
	var failure error
	for range queryRounds {
		for _, server := range servers {
			m, err := exchange(ctx, server, name, qtype)
			if err == nil {
				return m, nil
			}
			if ctx.Err() != nil || isOver(ctx) {
				return nil, cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
			}
			failure = fmt.Errorf("%s %s: server %s: %w", dns.TypeToString[qtype], strings.TrimSuffix(name, "."), server, err)
		}
	}
	return nil, failure
}

// exchange asks one server: over UDP, and over TCP if the answer does not fit. Half
// an answer is none: it would take endpoints away that are there.
func exchange(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.SetEdns0(datagram, false)
	m, err := over(ctx, "udp", server, q)
	if err == nil && knowsNoEDNS(m) {
		q.Extra = nil
		m, err = over(ctx, "udp", server, q)
	}
	if err == nil && m.Truncated || errors.Is(err, errTooLong) {
		m, err = over(ctx, "tcp", server, q)
	}
	switch {
	case err != nil:
		return nil, err
	case m.Truncated:
		return nil, errors.New("the answer is cut even over TCP")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("the answer is %s", dns.RcodeToString[m.Rcode])
	}
	return m, nil
}

// knowsNoEDNS reports whether an answer is that of an old server, which does not know
// extensions (RFC 6891 §7).
func knowsNoEDNS(m *dns.Msg) bool {
	return m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented
}

// errTooLong: the answer was larger than we had asked for.
var errTooLong = errors.New("the answer is too long for a datagram")

func over(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	m, err := roundTrip(ctx, &dns.Client{Net: network, Timeout: queryTimeout, UDPSize: datagram}, server, q)
	switch {
	case errors.Is(err, dns.ErrBuf) && network == "udp":
		return nil, errTooLong
	case err != nil && isOver(ctx):
		return nil, context.DeadlineExceeded
	case isTimeout(err):
		return nil, fmt.Errorf("no answer within %v", queryTimeout)
	case err != nil:
		return nil, err
	case !m.Response:
		return nil, errors.New("the answer is none, but a question")
	case knowsNoEDNS(m):
		return m, nil // it may come without the question
	case len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != q.Question[0].Qtype:
		return nil, errors.New("the answer is to another question")
	}
	return m, nil
}

// isOver reports whether ctx's time is over: the socket's deadline is the same, and
// may come a moment before ctx knows.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// roundTrip sends q and reads the answer. The end of ctx ends it at once, which the
// library has for the deadline of a context only: nobody is to wait with a reload or
// a stop for a server that is silent.
func roundTrip(ctx context.Context, c *dns.Client, server string, q *dns.Msg) (*dns.Msg, error) {
	conn, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(closed)
	})
	m, _, err := c.ExchangeWithConnContext(ctx, q, conn)
	if !stop() {
		<-closed
	}
	return m, err
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
