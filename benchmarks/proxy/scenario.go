//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A kind of work: what one operation is.
type kind string

const (
	exchange      kind = "exchange"       // a request and its response on a kept connection
	exchangeFresh kind = "exchange-fresh" // the same, each on a connection of its own
	echo          kind = "echo"           // 64 bytes there and back on a kept TCP connection
	echoFresh     kind = "echo-fresh"     // connect, 64 bytes there and back, close
	datagrams     kind = "datagrams"      // 64 bytes there and back over UDP, from the same port each time
	stream        kind = "stream"         // the endpoint sends as fast as it can; an operation is a byte
	idle          kind = "idle"           // connections that have made one request and now wait
	tlsKept       kind = "tls"            // an exchange over a kept TLS connection
	tlsFresh      kind = "tls-fresh"      // the same, each with a connection and a whole handshake of its own
	besides       kind = "besides"        // a few clients' exchanges, before and while thousands of others are slow
)

const echoBytes = 64

// A scenario is one kind of work at one size. The names are those of the project's performance notes.
type scenario struct {
	Name  string
	Title string
	Kind  kind
	Path  string // HTTP: the endpoint answers "/N" with N bytes
	Body  int    // bytes of the request's body; 0: GET
	Conns int
	Bulk  bool // large enough for splice(2) to pay: HAProxy also runs with splicing forced

	Workers int           // of the proxy, with nothing pinned; 0: one, pinned
	Pause   time.Duration // of a client between two operations
	Attack  string        // what slowhttptest does meanwhile, by its flag
}

var scenarios = []scenario{
	{Name: "S1", Title: "GET 128 B, keep-alive, 64 connections", Kind: exchange, Path: "/128", Conns: 64},
	{Name: "S2", Title: "GET 16 KiB, keep-alive, 64 connections", Kind: exchange, Path: "/16384", Conns: 64},
	{Name: "S3", Title: "GET 1 MiB, keep-alive, 16 connections", Kind: exchange, Path: "/1048576", Conns: 16, Bulk: true},
	{Name: "S4a", Title: "POST 16 KiB, keep-alive, 32 connections", Kind: exchange, Path: "/128", Body: 16 << 10, Conns: 32},
	{Name: "S4b", Title: "POST 1 MiB, keep-alive, 16 connections", Kind: exchange, Path: "/128", Body: 1 << 20, Conns: 16, Bulk: true},
	{Name: "S5", Title: "GET 128 B, a new connection for each request, 64 at a time", Kind: exchangeFresh, Path: "/128", Conns: 64},
	{Name: "S6a", Title: "TCP stream at full speed, 1 connection", Kind: stream, Conns: 1, Bulk: true},
	{Name: "S6b", Title: "TCP stream at full speed, 32 connections", Kind: stream, Conns: 32, Bulk: true},
	{Name: "S7", Title: "TCP connect, 64 B echo, close, 64 at a time", Kind: echoFresh, Conns: 64},
	{Name: "S8", Title: "TCP 64 B echo, 64 long-lived connections", Kind: echo, Conns: 64},
	{Name: "U1", Title: "UDP 64 B echo, 64 clients", Kind: datagrams, Conns: 64},
	{Name: "S9", Title: "memory of 8,000 idle keep-alive connections", Kind: idle, Path: "/128", Conns: 8000},
	{Name: "S10a", Title: "GET 128 B over TLS 1.3, keep-alive, 64 connections", Kind: tlsKept, Path: "/128", Conns: 64},
	{Name: "S10b", Title: "GET 128 B, a full TLS 1.3 handshake for each request, 32 at a time", Kind: tlsFresh, Path: "/128", Conns: 32},
	{Name: "S1u", Title: "S1 unpinned, two workers", Kind: exchange, Path: "/128", Conns: 64, Workers: 2},
	{Name: "S5u", Title: "S5 unpinned, two workers", Kind: exchangeFresh, Path: "/128", Conns: 64, Workers: 2},
	{Name: "SlowH", Title: "16 clients at 100 requests/s each, beside 2,000 that send their heads slowly", Kind: besides, Path: "/128", Conns: 16, Pause: pause, Attack: "-H"},
	{Name: "SlowB", Title: "16 clients at 100 requests/s each, beside 2,000 that send their bodies slowly", Kind: besides, Path: "/128", Conns: 16, Pause: pause, Attack: "-B"},
	{Name: "SlowX", Title: "16 clients at 100 requests/s each, beside 2,000 that read 320 KiB slowly", Kind: besides, Path: "/128", Conns: 16, Pause: pause, Attack: "-X"},
}

// pause keeps a few clients far from filling a core, so that their latency is the proxy's and not a queue's.
const pause = 10 * time.Millisecond

// pickScenarios finds the named ones, in the order of the list above; "" and "all" are all of them. S4 is S4a and S4b, Slow all
// that begin with it.
func pickScenarios(names string) ([]scenario, error) {
	if names == "" || names == "all" {
		return scenarios, nil
	}
	wanted := strings.Split(names, ",")
	used := make([]bool, len(wanted))
	var picked []scenario
	for _, sc := range scenarios {
		for i, w := range wanted {
			if w = strings.TrimSpace(w); strings.EqualFold(sc.Name, w) || strings.EqualFold(strings.TrimRight(sc.Name, "abHBX"), w) {
				used[i] = true
				if !slices.Contains(picked, sc) {
					picked = append(picked, sc)
				}
			}
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("there is no scenario %q", wanted[i])
	}
	return picked, nil
}

// tcp says whether the proxy must pass bytes through rather than speak HTTP.
func (sc scenario) tcp() bool { return sc.Kind == echo || sc.Kind == echoFresh || sc.Kind == stream }

// tls says whether the clients speak TLS.
func (sc scenario) tls() bool { return sc.Kind == tlsKept || sc.Kind == tlsFresh }

// costUnit names what cost returns.
func (sc scenario) costUnit() string {
	switch sc.Kind {
	case echo, datagrams:
		return "CPU µs/message"
	case echoFresh:
		return "CPU µs/connection"
	case stream:
		return "CPU ms/GB"
	case idle:
		return "RSS B/connection"
	case besides:
		return "p99 ms"
	default:
		return "CPU µs/request"
	}
}

// workers is how many the proxy has.
func (sc scenario) workers() int { return max(sc.Workers, 1) }

// cost is what one operation took from the proxy (or, beside slow clients, from who waited for it), in costUnit; 0 when
// nothing was done.
func (sc scenario) cost(r result) float64 {
	switch {
	case r.Ops == 0:
		return 0
	case sc.Kind == idle:
		return (float64(r.RSSAfter) - float64(r.RSSBefore)) / float64(r.Ops)
	case sc.Kind == besides:
		return r.P99.Seconds() * 1e3
	case sc.Kind == stream:
		return float64(r.ProxyCPU.Nanoseconds()) / 1e6 / (float64(r.Ops) / 1e9)
	default:
		return float64(r.ProxyCPU.Nanoseconds()) / 1e3 / float64(r.Ops)
	}
}

// rateUnit names what rate returns.
func (sc scenario) rateUnit() string {
	if sc.Kind == stream {
		return "GB/s"
	}
	return "operations/s"
}

// rate is how fast the work went; 0 for idle connections.
func (sc scenario) rate(r result) float64 {
	switch {
	case r.Wall <= 0 || sc.Kind == idle:
		return 0
	case sc.Kind == stream:
		return float64(r.Ops) / 1e9 / r.Wall.Seconds()
	default:
		return float64(r.Ops) / r.Wall.Seconds()
	}
}
