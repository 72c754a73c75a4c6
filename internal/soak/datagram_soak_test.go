package soak_test

import (
	"fmt"
	"testing"
	"time"
)

// Datagrams: UDP.
func TestSoakDatagrams(t *testing.T) {
	var it *soak
	soakEach(t, traffic{
		plant:  func(t *testing.T, s *soak) plant { it = s; return s.datagramPlant() },
		client: func(s *soak, number int) func() { return (&datagramClient{client: newClient(s, number)}).run },
		seen:   []string{"steady answers", "wild answers", "empty datagrams", "operator"},
		judge:  func() { it.judgeLosses() },
	})
}

// judgeLosses says whether too many answers are missing. Where endpoints die that
// is to be; steady's lose what is on its way when a reload takes one out, and what
// takes a busy machine more than a second.
func (s *soak) judgeLosses() {
	s.mu.Lock()
	answers := s.counts["steady answers"]
	came, lost := answers["came"], answers["lost"]
	s.mu.Unlock()
	if lost*4 > came {
		s.wrong("steady: %d answers came and %d are lost", came, lost)
	}
}

func (s *soak) datagramPlant() plant {
	return plant{
		services:   []service{{"steady", 4, nil, s.hearDatagrams}, {"wild", 4, nil, s.hearDatagrams}},
		randomFile: (*operator).randomDatagrams,
		restFile:   (*operator).noDatagrams,
	}
}

const datagramFrame = `[log]
level = %q
access = %q
[admin]
listen = "127.0.0.1:0"
[proxy]
engine = %q
drain_timeout = "5s"
`

func (o *operator) randomDatagrams() string {
	file := fmt.Sprintf(datagramFrame, oneOf(o.r, "warn", "info", "debug"), *soakAccess, o.engine)
	for _, name := range []string{"steady", "wild"} {
		timeout := time.Duration(600+o.r.IntN(1000)) * time.Millisecond
		if name == "wild" {
			timeout = time.Duration(1+o.r.IntN(300)) * time.Millisecond // shorter than some answers take
		}
		file += fmt.Sprintf("[[listener]]\nname = %q\nlisten = \"127.0.0.1:0\"\nprotocol = \"UDP\"\nservice = %q\n", name, name)
		file += fmt.Sprintf("[[service]]\nname = %q\nprotocol = \"UDP\"\ntimeout = %q\nendpoints = [%s]\n%s", name, timeout, o.list(name), o.policy(name))
	}
	return file + restService
}

// restService is for the listener that is there when none of UDP is.
const restService = "[[service]]\nname = \"rest\"\nprotocol = \"TCP\"\nendpoints = [\"127.0.0.1:1\"]\n"

// noDatagrams has no listener for any: ports would be kept for half a minute.
func (o *operator) noDatagrams() string {
	file := fmt.Sprintf(datagramFrame, "info", *soakAccess, o.engine) + tcpListener("rest", "rest")
	// The services stay: one that goes is looked after until its connections have drained.
	for _, s := range o.services {
		file += fmt.Sprintf("[[service]]\nname = %q\nprotocol = \"UDP\"\nendpoints = [\"127.0.0.1:1\"]\n", s.name)
	}
	return file + restService
}
