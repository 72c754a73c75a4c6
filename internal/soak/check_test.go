package soak_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// What follows proves the judge, so that a soak without a finding means something.

func body(id uint64, from, to int) string {
	var b bytes.Buffer
	responseText(id).write(&b, from, to)
	return b.String()
}

func TestReceiveSeesWhatIsWrong(t *testing.T) {
	const id, size = 7, 5000
	mine := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Id: %016x\r\n", id)
	whole := body(id, 0, size)
	for name, c := range map[string]struct {
		reply, wire, outcome, wrong string
	}{
		"planned":            {length, mine + "Content-Length: 5000\r\n\r\n" + whole, asPlanned, ""},
		"until close":        {untilClose, mine + "\r\n" + whole, asPlanned, ""},
		"chunked":            {chunked, mine + "Trailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + whole + "\r\n0\r\nX-Trailer: 0000000000000007\r\n\r\n", asPlanned, ""},
		"no trailer":         {chunked, mine + "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + whole + "\r\n0\r\n\r\n", "", "trailers are"},
		"nothing":            {length, "", noAnswer, ""},
		"half a head":        {length, mine, noAnswer, ""},
		"cut":                {length, mine + "Content-Length: 5000\r\n\r\n" + whole[:4999], wasCut, ""},
		"cut and not seen":   {untilClose, mine + "\r\n" + whole[:4999], "", "an end after 4999 of 5000 bytes"},
		"own answer":         {length, "HTTP/1.1 502 Bad Gateway\r\nProxy-Status: spillway; error=dns_error\r\nContent-Length: 1\r\n\r\n-", "502 dns_error", ""},
		"another's":          {length, strings.Replace(mine, "7", "8", 1) + "Content-Length: 5000\r\n\r\n" + body(8, 0, size), "", "the response of another"},
		"another's body":     {length, mine + "Content-Length: 5000\r\n\r\n" + body(8, 0, size), "", "wrong byte at 15"},
		"the request's body": {length, mine + "Content-Length: 5000\r\n\r\n" + string(requestText(id).at(0, 17)) + whole[17:], "", "wrong byte at 16"},
		"a byte left out":    {length, mine + "Content-Length: 5000\r\n\r\n" + whole[:4000] + body(id, 4001, size+1), "", "wrong byte at 4"},
		"a page twice":       {untilClose, mine + "\r\n" + whole[:4096] + whole, "", "wrong byte at 4096"},
		"surplus":            {untilClose, mine + "\r\n" + body(id, 0, size+1), "", "wrong byte at 5000"},
		"another status":     {length, strings.Replace(mine, "200", "201", 1) + "Content-Length: 5000\r\n\r\n" + whole, "", "status 201"},
		"unplanned interim":  {length, strings.Replace(mine, "200", "103", 1) + "\r\n", "", "an unplanned 103"},
		"another's interim":  {length, "HTTP/1.1 103 Early Hints\r\nX-Id: 8\r\n\r\n", "", "a 103 of another"},
		"no HTTP":            {length, "nonsense\r\n\r\n", "", "malformed"},
	} {
		p := &plan{id: id, method: "GET", minor: 1, status: 200, reply: c.reply, size: size}
		got := p.receive(bufio.NewReader(strings.NewReader(c.wire)), nil)
		switch {
		case c.wrong == "" && (got.wrong != nil || got.outcome != c.outcome):
			t.Errorf("%s: %q, %v", name, got.outcome, got.wrong)
		case c.wrong != "" && (got.wrong == nil || !strings.Contains(got.wrong.Error(), c.wrong)):
			t.Errorf("%s: %v, want %q", name, got.wrong, c.wrong)
		}
	}
}

// Bytes that come from elsewhere in the same body, by as much as some buffer is
// long, are not taken for the right ones.
func TestTextNeverLooksRightElsewhere(t *testing.T) {
	var whole bytes.Buffer
	own := responseText(3)
	own.write(&whole, 0, 2<<20)
	for shift := 1; shift <= 1<<20; shift *= 2 {
		r := &reading{text: own, pos: 4096}
		if _, err := r.Write(whole.Bytes()[4096+shift : 4096+shift+64]); err == nil {
			t.Errorf("off by %d, and nobody sees it", shift)
		}
	}
}

func TestEndpointReadsThePlanThatTheClientMade(t *testing.T) {
	for id := range uint64(1000) {
		p := newPlan(9, id)
		u, err := url.Parse(p.target())
		if err != nil {
			t.Fatal(err)
		}
		got, err := readPlan(u)
		if err != nil {
			t.Fatal(err)
		}
		if got.target() != p.target() {
			t.Fatalf("%s became %s", p.target(), got.target())
		}
	}
}

func TestNoPOSTIsTakenForAnother(t *testing.T) {
	var o once
	for _, id := range []uint64{1, 1 << 32, 1<<32 | 1, 2<<32 | 1} {
		if o.twice(id) {
			t.Errorf("%x is new", id)
		}
		if !o.twice(id) {
			t.Errorf("%x is not", id)
		}
	}
}
