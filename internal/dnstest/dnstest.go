package dnstest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A Server answers what it is told to. Its methods may be called at any time.
type Server struct {
	// Addr is where it listens, "127.0.0.1:port", UDP and TCP.
	Addr string

	mu      sync.Mutex
	records map[question][]dns.RR
	rcodes  map[question]int
	hook    func(network string, q, answer *dns.Msg) *dns.Msg
	asked   map[question]int
}

type question struct {
	name string
	kind uint16
}

// Serve serves until the test is over.
func Serve(t testing.TB) *Server {
	t.Helper()
	s := &Server{records: make(map[question][]dns.RR), rcodes: make(map[question]int), asked: make(map[question]int)}
	packets, stream := listen(t)
	s.Addr = stream.Addr().String()
	s.start(t, &dns.Server{PacketConn: packets, Handler: s.handler("udp")})
	s.start(t, &dns.Server{Listener: stream, Handler: s.handler("tcp")})
	return s
}

// listen takes a port that is free for both.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	for {
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", stream.Addr().String())
		if err == nil {
			return packets, stream
		}
		stream.Close()
	}
}

// Port is one of this machine that is free for UDP and TCP, for a program that wants
// to be told. Until that has it, anybody else may take it.
func Port(t testing.TB) string {
	t.Helper()
	packets, stream := listen(t)
	defer packets.Close()
	defer stream.Close()
	_, port, err := net.SplitHostPort(stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *Server) start(t testing.TB, d *dns.Server) {
	started := make(chan struct{})
	d.NotifyStartedFunc = func() { close(started) }
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := d.ActivateAndServe(); err != nil {
			t.Error(err)
		}
	})
	<-started
	t.Cleanup(func() {
		if err := d.Shutdown(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
}

func key(name, kind string) question {
	return question{strings.ToLower(dns.Fqdn(name)), dns.StringToType[kind]}
}

// Set replaces the records that answer a question, each as a line of a zone file.
// None are an answer without records; a name that was never set does not exist.
func (s *Server) Set(name, kind string, lines ...string) {
	records := make([]dns.RR, len(lines))
	for i, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		records[i] = rr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[key(name, kind)] = records
	delete(s.rcodes, key(name, kind))
}

// Fail makes the server answer a question with a code, such as dns.RcodeServerFailure,
// or with silence if it is negative.
func (s *Server) Fail(name, kind string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcodes[key(name, kind)] = code
}

// Hook lets f see each question, with the network it came by, and change the answer.
// A nil one is silence.
func (s *Server) Hook(f func(network string, q, answer *dns.Msg) *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Asked counts how often a question was asked.
func (s *Server) Asked(name, kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key(name, kind)]
}

func (s *Server) handler(network string) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if m := s.answer(network, q); m != nil {
			_ = w.WriteMsg(m) // the client may have gone
		}
	})
}

func (s *Server) answer(network string, q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := question{strings.ToLower(q.Question[0].Name), q.Question[0].Qtype}
	s.asked[at]++
	m := new(dns.Msg).SetReply(q)
	m.Answer = s.records[at]
	if !s.exists(at.name) {
		m.Rcode = dns.RcodeNameError
	}
	if code, failing := s.rcodes[at]; failing && code < 0 {
		return nil
	} else if failing {
		m.Rcode, m.Answer = code, nil
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: "ns.test.", Mbox: "a.test."}}
	}
	if network == "udp" {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		m.Truncate(size)
	}
	if s.hook != nil {
		return s.hook(network, q, m)
	}
	return m
}

func (s *Server) exists(name string) bool {
	for k := range s.records {
		if k.name == name {
			return true
		}
	}
	return false
}
