package soak_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The ways to frame a message.
const (
	none       = ""
	length     = "length"
	chunked    = "chunked"
	untilClose = "close"
)

// What becomes of an exchange at its endpoint.
const (
	fine      = "fine"
	late      = "late"      // fine, after a while
	unread    = "unread"    // a 401 before the request's body, which is then read
	refused   = "refused"   // a 417 in place of 100 Continue
	hangup    = "hangup"    // fine, then the connection is closed without notice
	early     = "early"     // a 413 and a close in place of reading the body
	death     = "death"     // a close in place of a response
	cut       = "cut"       // a close in the middle of the response
	reset     = "reset"     // a reset in the middle of the response
	surplus   = "surplus"   // fine, with another response behind it
	garbage   = "garbage"   // what is no response
	echo      = "echo"      // an upgrade; what comes goes back
	halfClose = "halfclose" // an upgrade; the endpoint says all it has, ends that, and then listens
)

// fates are the services and what may happen there, the more often the more
// often it is in the list.
var fates = map[string][]string{
	"steady":  {fine, fine, fine, fine, fine, fine, late, unread, refused},
	"closing": {fine, fine, hangup},
	"wild":    {fine, fine, fine, fine, late, unread, refused, hangup, early, death, cut, reset, surplus, garbage},
}

// A plan is one exchange, which both ends know in advance.
type plan struct {
	seed, id uint64
	service  string
	method   string
	minor    int    // of the client's HTTP/1
	upload   string // framing of the request's body
	up       int    // its size
	expect   bool   // 100-continue
	fate     string
	status   int
	reply    string // framing of the response's body
	size     int    // its size
	hints    int    // how many 103s come first
	whole    bool   // the client does not mean to leave before the end

	// Only the client knows:
	excuse  string // why there may be no whole answer in spite of all promises
	last    bool   // Connection: close
	padding int    // bytes of a header that makes the head large
	history string // what the connection has carried before, and how its client reads, for reports
}

// rand returns the choices of one of those who take part: the sender, the
// receiver and the endpoint must not share.
func (p *plan) rand(who uint64) *rand.Rand { return rand.New(rand.NewPCG(p.seed+who, p.id)) }

// newPlan makes up an exchange.
func newPlan(seed, id uint64) *plan {
	p := &plan{seed: seed, id: id, minor: 1, status: 200, whole: true}
	r := p.rand(0)
	p.service = oneOf(r, "steady", "steady", "steady", "closing", "wild", "wild")
	p.fate = oneOf(r, fates[p.service]...)
	p.method = oneOf(r, "GET", "GET", "GET", "HEAD", "DELETE", "POST", "POST", "PUT")
	p.size = randomSize(r)
	p.reply = oneOf(r, length, length, chunked, untilClose)
	if r.IntN(12) == 0 {
		p.status, p.reply, p.size = []int{204, 304}[r.IntN(2)], none, 0
	}
	if r.IntN(12) == 0 {
		p.minor = 0
	}
	if p.method == "POST" || p.method == "PUT" {
		p.up = randomSize(r)
		p.upload = length
		if p.minor == 1 && r.IntN(2) == 0 {
			p.upload = chunked
		}
		p.expect = p.minor == 1 && (p.fate == refused || p.fate == fine && r.IntN(6) == 0)
	}
	if r.IntN(8) == 0 {
		p.hints = 1 + r.IntN(3)
	}
	p.last = r.IntN(20) == 0
	if r.IntN(10) == 0 {
		p.padding = r.IntN(40000)
	}
	p.makeSense()
	return p
}

// maxOvertaken is how much of a body may still be on its way when its answer is
// here. Of more than 1 MiB the proxy does not read the rest: then the connection
// is reset, which may destroy the answer.
const maxOvertaken = 500 << 10

// makeSense mends what does not go together.
func (p *plan) makeSense() {
	switch p.fate {
	case refused:
		if !p.expect {
			p.fate = fine
		}
	case cut, reset:
		if p.method == "HEAD" {
			p.method = "GET"
		}
		p.status, p.size = 200, p.size+1
		if p.reply == none || p.reply == untilClose && p.fate == cut {
			p.reply = length // a close would not look like a cut
		}
	case surplus:
		p.status, p.reply, p.size = 200, length, min(p.size, 4000) // small enough to arrive as one piece
	}
	switch p.fate {
	case unread:
		p.status, p.reply, p.size = 401, length, min(p.size, 4000)
	case refused:
		p.status, p.reply, p.size = 417, length, min(p.size, 4000)
	case early:
		p.status, p.reply, p.size = 413, length, min(p.size, 4000)
	}
	if p.fate == unread {
		p.up = min(p.up, maxOvertaken)
	}
}

// randomSize is small mostly, and now and then up to 20 MiB.
func randomSize(r *rand.Rand) int {
	switch n := r.IntN(400); {
	case n < 40:
		return r.IntN(2)
	case n < 340:
		return r.IntN(1 << (1 + r.IntN(14)))
	case n < 397:
		return r.IntN(400 << 10)
	case n < 399:
		return r.IntN(4 << 20)
	}
	return r.IntN(20<<20 + 1)
}

func oneOf(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// must reports whether nothing excuses anything but the planned response.
func (p *plan) must() bool {
	return p.service == "steady" || p.service == "closing" && p.upload == none && p.method != "POST"
}

// mayBe reports whether an answer in the proxy's own name has an excuse.
func (p *plan) mayBe(status int, why string) bool {
	switch {
	case p.must():
		return false
	case p.service == "closing": // a stale connection, and what must not or cannot be sent again
		return status == 502 && why == "connection_terminated"
	}
	return status == 408 || status == 502 || status == 503 || status == 504
}

// overtakes reports whether the response may be whole before its request is.
func (p *plan) overtakes() bool {
	return p.upload != none && (p.fate == unread || p.fate == early)
}

// mayEnd reports whether the connection may end with the response, which a
// client that sends more than one request at a time has to expect.
func (p *plan) mayEnd() bool {
	return p.service == "wild" || p.service == "closing" && !p.must() || p.overtakes() || p.last || p.minor == 0
}

// fails reports whether the endpoint makes the planned response impossible.
func (p *plan) fails() bool {
	return p.fate == death || p.fate == cut || p.fate == reset || p.fate == garbage
}

// target is the plan as the endpoint gets it.
func (p *plan) target() string {
	return fmt.Sprintf("/%s/x?seed=%d&id=%d&method=%s&upload=%s&up=%d&expect=%t&fate=%s&status=%d&reply=%s&size=%d&hints=%d&whole=%t",
		p.service, p.seed, p.id, p.method, p.upload, p.up, p.expect, p.fate, p.status, p.reply, p.size, p.hints, p.whole)
}

// readPlan is target's inverse.
func readPlan(u *url.URL) (*plan, error) {
	q := u.Query()
	p := &plan{method: q.Get("method"), upload: q.Get("upload"), fate: q.Get("fate"), reply: q.Get("reply")}
	p.service = strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/x")
	for key, at := range map[string]*int{"up": &p.up, "status": &p.status, "size": &p.size, "hints": &p.hints} {
		n, err := strconv.Atoi(q.Get(key))
		if err != nil {
			return nil, fmt.Errorf("%s in %q: %w", key, u, err)
		}
		*at = n
	}
	for key, at := range map[string]*uint64{"seed": &p.seed, "id": &p.id} {
		n, err := strconv.ParseUint(q.Get(key), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s in %q: %w", key, u, err)
		}
		*at = n
	}
	p.expect, p.whole = q.Get("expect") == "true", q.Get("whole") == "true"
	return p, nil
}

func (p *plan) String() string {
	return fmt.Sprintf("%s %s HTTP/1.%d (close %t, %d bytes of padding) after%s", p.method, p.target(), p.minor, p.last, p.padding, p.history)
}

// brief is a plan in the history of others.
func (p *plan) brief() string {
	return fmt.Sprintf(" [%s %s 1.%d %s %d, %s %s %d]", p.method, p.service, p.minor, p.upload, p.up, p.fate, p.reply, p.size)
}

// header is what messages of the plan carry.
func (p *plan) header() string { return fmt.Sprintf("X-Id: %016x\r\n", p.id) }

func (p *plan) isMine(h http.Header) bool { return h.Get("X-Id") == fmt.Sprintf("%016x", p.id) }

// patience is how long anything may take before it is called stuck.
const patience = time.Minute
