package proxy

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
)

// Stats are the live counters of one service. They outlive reloads; the metrics
// collector reads them at scrape time, so traffic pays a few atomic additions.
type Stats struct {
	// Duration is how long HTTP exchanges took, from the end of the request's
	// head to the last byte of the response.
	Duration Histogram
	// Attempts counts tries on endpoints by their end.
	Attempts [attemptReasons]atomic.Uint64
	// Retries counts tries that were made again, by the end of the one before.
	Retries [attemptReasons]atomic.Uint64
	// RetriesOverBudget counts those that were not made: see Service.TakeRetry.
	RetriesOverBudget atomic.Uint64
	// Overflows counts requests and connections that were turned away because all was
	// taken, QueueWait how long those waited that were not turned away at once.
	Overflows Overflows
	// Loops counts HTTP requests that were refused because they came round again and
	// again.
	Loops     atomic.Uint64
	QueueWait Histogram
	// Connections are those to the endpoints, where the service has a limit of them.
	Connections Connections
	// Affinity counts picks with an affinity key, and those that had none
	// although the service has affinity.
	AffinityHit, AffinityMiss atomic.Uint64
	// Cookies counts what strong cookies were worth.
	Cookies [cookieResults]atomic.Uint64
	// SourceFallbacks counts the connections that were to come from the client's
	// address and came from the proxy's, by the reason.
	SourceFallbacks [sourceFallbacks]atomic.Uint64
	// TCPBytes counts bytes relayed by TCP connections and upgraded HTTP
	// connections. See Copied.
	TCPBytes [directions][paths]atomic.Uint64
	// Cuts counts the connections, UDP sessions and HTTP exchanges that were cut
	// because of what befell their endpoint.
	Cuts [cutCauses]atomic.Uint64
	// LoadReports counts what endpoints say of their load, in responses and
	// elsewhere.
	LoadReports LoadReportCounters
	// UDP counts datagrams.
	UDP UDPStats
	// Sources is where new requests, connections and sessions come from, Keys what
	// hash policies have been given for them.
	Sources, Keys Sketch

	retrying atomic.Int64 // places taken in the retry budget
	codes    sync.Map     // *balance.Load to *Codes
}

// CountFlow counts now and then where a new request, connection or session comes
// from, and its key if it has one. from is asked only then. It is for the hot path.
func (s *Stats) CountFlow(key uint64, keyed bool, from func() netip.Addr) {
	if !s.Sources.Due() {
		return
	}
	s.Sources.CountAddr(from())
	if keyed {
		s.Keys.Count(key, netip.Addr{})
	}
}

// CountCut counts something that ended for this cause, if it is one of CutCauses.
func (s *Stats) CountCut(cause string) {
	if cause == "" {
		return
	}
	for c, name := range CutCauses {
		if name == cause {
			s.Cuts[c].Add(1)
		}
	}
}

// AttemptReason says how one try on an endpoint ended.
type AttemptReason uint8

// The attempt reasons.
const (
	AttemptOK             AttemptReason = iota // answered
	AttemptConnectFailure                      // no connection
	AttemptReset                               // the connection broke before an answer
	AttemptStale                               // a reused connection was dead
	AttemptTimeout                             // no answer in time
	AttemptBadResponse                         // an answer that is not HTTP
	AttemptClientGone                          // the client left first
	AttemptStatus                              // answered, with a status that was tried again
	attemptReasons
)

// AttemptReasons names the reasons as the metric's label does.
var AttemptReasons = [attemptReasons]string{
	"ok", "connect_failure", "reset", "stale_connection", "timeout", "bad_response", "client_gone", "status",
}

// Direction of bytes through a relay.
type Direction uint8

// The directions.
const (
	FromClient Direction = iota
	ToClient
	directions
)

// Directions names the directions as the metric's label does.
var Directions = [directions]string{"from_client", "to_client"}

// Path is the way that bytes took through this process: inside the kernel, or
// through user memory for a reason.
type Path uint8

// The paths.
const (
	Spliced           Path = iota
	CopiedSmall            // no bulk: copying is as cheap
	CopiedNoSocket         // one side is no plain socket: TLS, or another wrapper
	CopiedPlatform         // this system has no splice
	CopiedDescriptors      // none left for a pipe, or the kernel refused
	paths
)

// Paths names the paths, and the reasons, as the metric's labels do.
var Paths = [paths]struct{ Path, Reason string }{
	{"splice", ""}, {"copy", "small"}, {"copy", "no_socket"}, {"copy", "platform"}, {"copy", "descriptors"},
}

// Copied is how many of TCPBytes went through user memory, for any reason.
func (s *Stats) Copied(d Direction) (n uint64) {
	for p := CopiedSmall; p < paths; p++ {
		n += s.TCPBytes[d][p].Load()
	}
	return n
}

// TCPCounters are those of one TCP or SSL listener. They only grow.
type TCPCounters struct {
	// Refused is how many clients were reset because no endpoint could be had.
	Refused atomic.Uint64
	// Unrouted is how many were because no route takes the name they ask for, or
	// they did not ask in time.
	Unrouted atomic.Uint64
	// IdleTimeouts is how many connections ended because of silence.
	IdleTimeouts atomic.Uint64
}

// Codes counts one endpoint's HTTP status codes.
type Codes struct {
	mu   sync.Mutex
	seen atomic.Pointer[[]*codeCount]
}

type codeCount struct {
	code int
	n    atomic.Uint64
}

// Add counts one response with this status code. A code that came before costs
// no lock: an endpoint uses few, so a short list is the fastest map.
func (c *Codes) Add(code int) {
	if n := c.find(code); n != nil {
		n.n.Add(1)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.find(code)
	if n == nil {
		n = &codeCount{code: code}
		grown := []*codeCount{n}
		if seen := c.seen.Load(); seen != nil {
			grown = append(slices.Clone(*seen), n)
		}
		c.seen.Store(&grown)
	}
	n.n.Add(1)
}

func (c *Codes) find(code int) *codeCount {
	if seen := c.seen.Load(); seen != nil {
		for _, n := range *seen {
			if n.code == code {
				return n
			}
		}
	}
	return nil
}

// Each calls f for every code seen.
func (c *Codes) Each(f func(code int, n uint64)) {
	if seen := c.seen.Load(); seen != nil {
		for _, n := range *seen {
			f(n.code, n.n.Load())
		}
	}
}

// Codes returns the status codes of an endpoint, known by its counters; nil
// stands for the answers that Spillway made itself.
func (s *Stats) Codes(of *balance.Load) *Codes {
	if c := s.codesSeen(of); c != nil {
		return c
	}
	c, _ := s.codes.LoadOrStore(of, new(Codes))
	return c.(*Codes)
}

// codesSeen is Codes without making what is not there.
func (s *Stats) codesSeen(of *balance.Load) *Codes {
	if c, ok := s.codes.Load(of); ok {
		return c.(*Codes)
	}
	return nil
}

// EachCode calls f for every code that the endpoint has answered with.
func (s *Stats) EachCode(of *balance.Load, f func(code int, n uint64)) {
	if c := s.codesSeen(of); c != nil {
		c.Each(f)
	}
}

// Forget drops the codes of endpoints that keep says are gone.
func (s *Stats) Forget(keep func(*balance.Load) bool) {
	s.codes.Range(func(k, _ any) bool {
		if of := k.(*balance.Load); of != nil && !keep(of) {
			s.codes.Delete(k)
		}
		return true
	})
}

// Bounds are the upper bounds of Histogram's buckets, in seconds; the last
// bucket has none.
var Bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// bounds are the same in nanoseconds.
var bounds = func() (ns [len(Bounds)]int64) {
	for i, s := range Bounds {
		ns[i] = int64(s * float64(time.Second))
	}
	return ns
}()

// Histogram counts durations by bucket.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // ns
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(bounds) && int64(d) > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Read returns the count of durations, their sum in seconds, and for each of
// Bounds how many were not above it.
func (h *Histogram) Read() (count uint64, sum float64, cumulative [len(Bounds)]uint64) {
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < len(cumulative) {
			cumulative[i] = count
		}
	}
	return count, time.Duration(h.sum.Load()).Seconds(), cumulative
}
