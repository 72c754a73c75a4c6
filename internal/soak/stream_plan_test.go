package soak_test

import (
	"fmt"
	"math/rand/v2"
)

// The orders in which the two ends of a stream say and end what they say.
const (
	upFirst   = "up-first"   // the client says all and ends that; then the endpoint does
	downFirst = "down-first" // the other way round
	together  = "together"   // both at once
	echoed    = "echoed"     // the endpoint says what it hears
	silent    = "silent"     // nobody says anything, until the proxy has had enough
)

// The ends of a stream.
const (
	inOrder       = "in-order"
	clientLeaves  = "client-leaves" // somewhere it closes
	clientResets  = "client-resets"
	endpointReset = "endpoint-resets"
)

// A streamPlan is one connection, which both ends know: the client sends it as a
// line before all else.
type streamPlan struct {
	seed, id uint64
	service  string
	order    string
	up, down int
	end      string
	at       int    // how much the one who breaks off says before it does
	nap      int    // milliseconds that the client says nothing in the middle
	from     string // the address that the endpoint is to be told

	way string // which listener and how, for reports; only the client knows
}

// newStreamPlan makes up a connection to a service.
func newStreamPlan(seed, id uint64, service string) *streamPlan {
	p := &streamPlan{seed: seed, id: id, service: service, from: "-"}
	r := p.rand(0)
	p.up, p.down = randomSize(r), randomSize(r)
	if service == "idle" {
		p.order, p.end, p.up, p.down = silent, inOrder, 0, 0
		return p
	}
	p.order = oneOf(r, upFirst, downFirst, together, together, echoed)
	if p.order == echoed {
		p.down = p.up
	}
	p.end = oneOf(r, inOrder, inOrder, inOrder, inOrder, clientLeaves, clientResets, endpointReset)
	switch p.end {
	case clientLeaves, clientResets:
		p.at = r.IntN(p.up + 1)
	case endpointReset:
		p.at = r.IntN(p.down + 1)
	}
	if r.IntN(20) == 0 {
		p.nap = r.IntN(700)
	}
	return p
}

func (p *streamPlan) rand(who uint64) *rand.Rand { return rand.New(rand.NewPCG(p.seed+who, p.id)) }

const planLine = "soak %d %d %s %s %d %d %s %d %d %s\n"

func (p *streamPlan) line() string {
	return fmt.Sprintf(planLine, p.seed, p.id, p.service, p.order, p.up, p.down, p.end, p.at, p.nap, p.from)
}

// readStreamPlan is line's inverse.
func readStreamPlan(line string) (*streamPlan, error) {
	p := new(streamPlan)
	_, err := fmt.Sscanf(line, planLine, &p.seed, &p.id, &p.service, &p.order, &p.up, &p.down, &p.end, &p.at, &p.nap, &p.from)
	if err != nil {
		return nil, fmt.Errorf("%.200q is no plan: %w", line, err)
	}
	return p, nil
}

func (p *streamPlan) String() string { return p.way + ": " + p.line() }

// answer is what the client hears: text and size.
func (p *streamPlan) answer() (text, int) {
	if p.order == echoed {
		return requestText(p.id), p.up
	}
	return responseText(p.id), p.down
}

// must reports whether nothing excuses anything but the planned stream. Where time
// ends it, a first word that comes too late may make a reset of the end.
func (p *streamPlan) must() bool { return p.service != "wild" && p.order != silent && p.end == inOrder }
