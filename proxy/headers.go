package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/proxyproto"
)

// ProxyHeaders says whose connections begin with a PROXY header, which tells
// between which addresses their client has connected. Whoever is to send one and
// does not, in time and without a fault, is reset.
type ProxyHeaders struct {
	// From has the proxies that send one. All others are clients themselves: what
	// they send is theirs, also where it looks like a header. On a Unix socket
	// everybody sends one, for its peers have no address.
	From []netip.Prefix
	// Timeout is how long a header may take to come. 0: as long as it likes.
	Timeout time.Duration
}

// HeaderResult says what became of a connection that was to begin with a PROXY
// header.
type HeaderResult uint8

// The header results. All but the first are ends.
const (
	HeaderRead      HeaderResult = iota // it did
	HeaderMalformed                     // it began with something else
	HeaderTimeout                       // none came in time
	HeaderEnded                         // it was closed before
	headerResults
)

// HeaderResults names the results as the metric's label does.
var HeaderResults = [headerResults]string{"read", "malformed", "timeout", "ended"}

// HeaderCounters count connections by HeaderResult. They only grow.
type HeaderCounters [headerResults]atomic.Uint64

// headerGrace is how long a drain waits for headers: who has just connected is
// about to send one.
const headerGrace = time.Second

// SetProxyHeaders says whose connections, from now on, begin with a PROXY header;
// nil: nobody's, which is the default.
func (l *Listener) SetProxyHeaders(h *ProxyHeaders) { l.headers.Store(h) }

// Headers are the listener's live counters of PROXY headers.
func (l *Listener) Headers() *HeaderCounters { return &l.counters }

// expects returns what holds for a connection from peer; nil: it has no header.
func (l *Listener) expects(peer netip.AddrPort) *ProxyHeaders {
	h := l.headers.Load()
	if h == nil || !peer.IsValid() {
		return h
	}
	ip := peer.Addr().Unmap().WithZone("")
	for _, p := range h.From {
		if p.Contains(ip) {
			return h
		}
	}
	return nil
}

// deadline is until when a header that is waited for from now on may come.
func (h *ProxyHeaders) deadline(now time.Time) time.Time {
	if h.Timeout == 0 {
		return time.Time{}
	}
	return now.Add(h.Timeout)
}

// headerBuffers are for looking at what may be a header.
var headerBuffers = sync.Pool{New: func() any { return new(headerBuffer) }}

type headerBuffer [proxyproto.MaxSize]byte

// arrival is where a client comes from and to whose connection from peer began
// with h.
func arrival(h proxyproto.Header, peer netip.AddrPort) Arrival {
	if !h.Source.IsValid() { // the proxy speaks for itself, or does not know
		return Arrival{Peer: peer}
	}
	return Arrival{Peer: h.Source, Local: h.Destination}
}

// noHeader counts and logs a connection from peer that has no header because of
// err. begin is what came of one.
func (l *Listener) noHeader(peer netip.AddrPort, err error, begin []byte) {
	level := slog.LevelWarn
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.counters[HeaderTimeout].Add(1)
	case errors.Is(err, io.EOF), len(begin) == 0:
		l.counters[HeaderEnded].Add(1)
		if len(begin) == 0 {
			level = slog.LevelDebug // somebody asks whether we are there
		}
	default:
		l.counters[HeaderMalformed].Add(1)
	}
	if l.refused.Enabled(level) {
		l.refused.Write(level, "no PROXY header: connection closed",
			slog.Any("peer", peer), slog.Any("error", err), slog.String("began", string(begin[:min(len(begin), 32)])))
	}
}
