package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// A demoReport shows what the demo finds out: as text while it goes on, or as
// one JSON object once it is complete.
type demoReport struct {
	out    io.Writer
	asJSON bool
	colour bool
	table  table
	found  demoFound
}

// demoFound is what demo --json prints.
type demoFound struct {
	HTTP     string       `json:"http"` // where the listeners are
	TCP      string       `json:"tcp"`
	Admin    string       `json:"admin"`
	Shares   []demoShare  `json:"shares"`
	Failover demoFailover `json:"failover"`
}

func newDemoReport(out io.Writer, asJSON bool) *demoReport {
	return &demoReport{out: out, asJSON: asJSON, colour: colourful(out)}
}

// say prints a line of text.
func (r *demoReport) say(format string, args ...any) {
	if !r.asJSON {
		fmt.Fprintf(r.out, format+"\n", args...)
	}
}

func (r *demoReport) opening(d *demo) {
	r.found.HTTP = d.app.ListenAddr("http").String()
	r.found.TCP = d.app.ListenAddr("tcp").String()
	r.found.Admin = d.app.ListenAddr("admin").String()
	var names []string
	for i, e := range d.endpoints {
		names = append(names, r.paint(i, e.name))
	}
	r.say("Spillway, three endpoints and their clients, all on this machine")
	r.say("")
	r.say("  HTTP   %-16s ─┐", r.found.HTTP)
	r.say("  TCP    %-16s ─┴─►  %s", r.found.TCP, strings.Join(names, "  "))
	r.say("  admin  %s", r.found.Admin)
}

func (r *demoReport) sharesHead(d *demo) {
	r.say("")
	r.say("Who answers: %d users by each policy over HTTP, %d connections over TCP", sharesRequests, sharesConnections)
	r.say("")
	row := []any{"VIA", "POLICY"}
	for _, e := range d.endpoints {
		row = append(row, right(strings.ToUpper(e.name)))
	}
	r.table.row(append(row, right("FAILED"), "SHARES", "ONE USER")...)
}

func (r *demoReport) share(s demoShare) {
	r.found.Shares = append(r.found.Shares, s)
	row := []any{s.Listener, s.Policy}
	for _, e := range s.Endpoints {
		row = append(row, percent(e.Actual))
	}
	stays := ""
	switch {
	case s.UserEndpoints == 1:
		stays = "stays"
	case s.UserEndpoints > 1:
		stays = fmt.Sprintf("meets %d", s.UserEndpoints)
	}
	r.table.row(append(row, s.Failed, r.bar(s.Endpoints), stays)...)
}

func (r *demoReport) sharesFoot() {
	for line := range strings.Lines(r.table.String()) {
		r.say("  %s", strings.TrimSuffix(line, "\n"))
	}
	// The endpoints have equal weights, so one expectation stands for all.
	expected := r.found.Shares[0].Endpoints[0].Expected
	r.say("")
	r.say("  %v is expected of each. One user is %d requests.", percent(expected), userRequests)
}

func (r *demoReport) failoverHead(name string) {
	r.say("")
	r.say("What a failure does: %s dies under %.0f requests a second", name, 1/failoverInterval.Seconds())
	r.say("")
}

func (r *demoReport) event(seconds float64, format string, args ...any) {
	r.say("  %5.2f s  "+format, append([]any{seconds}, args...)...)
}

func (r *demoReport) failover(f demoFailover) {
	r.found.Failover = f
	r.say("")
	r.say("  %d requests meanwhile, %d failed", f.Requests, f.Failed)
	if f.Error != "" {
		r.say("  the last that failed: %s", f.Error)
	}
}

// closing says what to try, or prints the JSON.
func (r *demoReport) closing(d *demo) error {
	if r.asJSON {
		e := json.NewEncoder(r.out)
		e.SetIndent("", "  ")
		return e.Encode(r.found)
	}
	hash := ""
	for _, p := range d.policies {
		if demoHashes(p) {
			hash = demoPath(p)
			break
		}
	}
	status := "spillway status"
	if r.found.Admin != defaultAdmin {
		status += " --admin " + r.found.Admin
	}
	r.say("")
	r.say("Try it")
	r.say("")
	r.say("  curl http://%s/", r.found.HTTP)
	if hash != "" {
		r.say("  curl -H '%s: ann' http://%s%s", userHeader, r.found.HTTP, hash)
	}
	r.say("  curl http://%s/api/v1/services/web", r.found.Admin)
	r.say("  %s", status)
	r.say("")
	r.say("%d requests a second go on. Ctrl-C ends.", trickle)
	return nil
}

// The endpoints' looks, in their order.
var (
	demoShades  = []string{"█", "▓", "░"}
	demoColours = []string{"\x1b[31m", "\x1b[32m", "\x1b[34m"}
)

const endColour = "\x1b[0m"

// paint colours text as the i-th endpoint, if there are colours.
func (r *demoReport) paint(i int, text string) string {
	if !r.colour {
		return text
	}
	return demoColours[i] + text + endColour
}

// bar draws shares side by side.
func (r *demoReport) bar(parts []demoEndpointPart) cell {
	const width = 12 // with which a line fits into a terminal of 80
	var c cell
	sum, drawn := 0.0, 0
	for i, p := range parts {
		sum += p.Actual
		n := int(sum*width+0.5) - drawn // of the sum, so that rounding does not add up
		drawn += n
		text := strings.Repeat(demoShades[i], n)
		painted := r.paint(i, text)
		c.unseen += len(painted) - len(text)
		c.text += painted
	}
	return c
}

// colourful reports whether w is a terminal that may be coloured
// (https://no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
