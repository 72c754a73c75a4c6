package lb_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// An event is one row of the table in docs/affinity.md (spec.md §5.4).
type event struct {
	// happens makes it so, and returns who gets the requests from then on.
	happens func(t *testing.T, p *play, id string) *play
	// about says whom the row is about: clients of that endpoint, of its group, or of
	// everybody else's.
	about func(before, id string) bool
}

func its(before, id string) bool       { return before == id }
func itsGroup(before, id string) bool  { return groupOf(before) == groupOf(id) }
func elsewhere(before, id string) bool { return before != id }
func everybody(string, string) bool    { return true }

func groupOf(id string) string { return id[:strings.LastIndexByte(id, '-')] }

// on makes an event of what happens to an endpoint, or its group.
func on(f func(p *play, id string) error) func(*testing.T, *play, string) *play {
	return func(t *testing.T, p *play, id string) *play {
		t.Helper()
		if err := f(p, id); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// sessionGroups are those of every row.
func sessionGroups() []lb.Group {
	groups := []lb.Group{
		group("eu-a", "eu", "eu-a", 4, rate(100)), group("eu-b", "eu", "eu-b", 4, rate(100)), group("us-a", "us", "us-a", 4, rate(100)),
	}
	for i := range groups {
		for j := range groups[i].Endpoints {
			groups[i].Endpoints[j].Weight = 1
		}
	}
	return groups
}

// changed sets groups with one change made to them.
func changed(change func(groups []lb.Group, id string)) func(*testing.T, *play, string) *play {
	return on(func(p *play, id string) error {
		groups := sessionGroups()
		change(groups, id)
		return p.SetGroups(groups)
	})
}

// endpointAt finds an endpoint in groups.
func endpointAt(groups []lb.Group, id string) (*lb.Group, int) {
	for i := range groups {
		if j := slices.IndexFunc(groups[i].Endpoints, func(e balance.Endpoint) bool { return e.ID == id }); j >= 0 {
			return &groups[i], j
		}
	}
	return nil, -1
}

func remove(groups []lb.Group, id string) {
	g, i := endpointAt(groups, id)
	g.Endpoints = slices.Delete(g.Endpoints, i, i+1)
}

// flood sends keyed traffic for some seconds, and then waits for a moment, since
// at the very end a group may be full for whoever comes.
func flood(rate float64) func(*testing.T, *play, string) *play {
	return func(_ *testing.T, p *play, _ string) *play {
		p.stream(rate, 10*time.Second, true)
		p.pass(50 * time.Millisecond)
		return p
	}
}

// sessions is the balancer of every row, in the given region.
func sessions(t *testing.T, region string) *play { return newPlay(t, sessionOptions(region)) }

func sessionOptions(region string) lb.Options {
	return lb.Options{Policy: balance.Maglev(1031), Groups: sessionGroups(), Here: capacity.Place{Region: region}}
}

// movingSessions is on for a service with keep_sessions = false.
func movingSessions(f func(p *play, id string) error) func(*testing.T, *play, string) *play {
	return func(t *testing.T, _ *play, id string) *play {
		o := sessionOptions("eu")
		o.MoveSessions = true
		return on(f)(t, newPlay(t, o), id)
	}
}

func drain(p *play, id string) error      { return p.SetAdmin(id, lb.Drain) }
func drainGroup(p *play, id string) error { return p.SetScaler(groupOf(id), 0) }

func setHealth(p *play, id string, s health.Status) error {
	return p.SetHealth(id, s, "as the row has it")
}

// inPanic makes everybody unhealthy for a service with panic = "open".
func inPanic(t *testing.T, _ *play, _ string) *play {
	o := sessionOptions("eu")
	o.Panic = lb.PanicOpen
	p := newPlay(t, o)
	for _, c := range p.Snapshot().Candidates {
		if err := setHealth(p, c.ID, health.Unhealthy); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// ejected has outlier detection eject the endpoint, and then lets time pass.
func ejected(then time.Duration) func(*testing.T, *play, string) *play {
	return func(t *testing.T, _ *play, id string) *play {
		o := sessionOptions("eu")
		o.Outlier = &health.Outlier{}
		p := newPlay(t, o)
		p.ends(id, 3, lb.GatewayFailure)
		p.wantOut("three gateway failures", id)
		p.sweeps(then)
		return p
	}
}

// leavesAndReturns takes the endpoint out of the groups, and puts it back.
func leavesAndReturns(t *testing.T, p *play, id string) *play {
	changed(remove)(t, p, id)
	return changed(func([]lb.Group, string) {})(t, p, id)
}

// ill makes it unhealthy, and then healthy again.
func ill(p *play, id string) error {
	return errors.Join(setHealth(p, id, health.Unhealthy), setHealth(p, id, health.Healthy))
}

var events = map[string]event{
	"its endpoint is removed": {changed(remove), its},
	"its endpoint is unhealthy": {on(func(p *play, id string) error {
		return p.SetHealth(id, health.Unhealthy, "down")
	}), its},
	"its endpoint is down, by the operator":               {on(func(p *play, id string) error { return p.SetAdmin(id, lb.Down) }), its},
	"its endpoint is drained, by the operator":            {on(drain), its},
	"its endpoint is drained, and keep_sessions is false": {movingSessions(drain), its},
	"its group is drained, and keep_sessions is false":    {movingSessions(drainGroup), itsGroup},
	"everybody is unhealthy, and panic is open":           {inPanic, everybody},
	"its endpoint is ejected, by outlier detection":       {ejected(0), its},
	"its endpoint was ejected for a while":                {ejected(31 * time.Second), its},
	"its endpoint was unhealthy for a while":              {on(ill), its},
	"its endpoint was removed for a while":                {leavesAndReturns, its},
	"its endpoint gets another address, and keeps its id": {changed(func(groups []lb.Group, id string) {
		g, i := endpointAt(groups, id)
		g.Endpoints[i].Addr = "192.0.2.99:1"
	}), its},
	"its endpoint gets another id": {changed(func(groups []lb.Group, id string) {
		g, i := endpointAt(groups, id)
		g.Endpoints[i].ID = "renamed"
	}), its},
	"an endpoint elsewhere is drained": {on(drain), elsewhere},
	"its endpoint's health is not known, and others' is": {on(func(p *play, id string) error {
		return p.SetHealth(id, health.Unknown, "not checked yet")
	}), its},
	"its endpoint holds as many as its max allows": {func(t *testing.T, p *play, id string) *play {
		changed(func(groups []lb.Group, id string) {
			g, i := endpointAt(groups, id)
			g.Endpoints[i].Max = 1
		})(t, p, id)
		if l, err := p.Pick(t.Context(), lb.Request{Sticky: id}); err != nil || l.Endpoint.ID != id {
			t.Fatal(l, err)
		}
		return p
	}, its},
	"its group is full while another is not":  {flood(260), itsGroup},
	"every group is full":                     {flood(600), itsGroup},
	"its group is drained, capacity_scaler 0": {on(drainGroup), itsGroup},
	"an endpoint elsewhere is added": {changed(func(groups []lb.Group, _ string) {
		groups[0].Endpoints = append(groups[0].Endpoints, balance.Endpoint{ID: "eu-a-9", Weight: 1})
	}), everybody},
	"an endpoint elsewhere is removed":                 {changed(remove), elsewhere},
	"an endpoint elsewhere becomes unhealthy":          {on(func(p *play, id string) error { return p.SetHealth(id, health.Unhealthy, "down") }), elsewhere},
	"weights change":                                   {changed(func(groups []lb.Group, id string) { g, i := endpointAt(groups, id); g.Endpoints[i].Weight = 3 }), everybody},
	"a target capacity changes":                        {changed(func(groups []lb.Group, _ string) { groups[0].Capacity.MaxRate = 200 }), everybody},
	"another proxy of the same place gets the request": {func(t *testing.T, _ *play, _ string) *play { return sessions(t, "eu") }, everybody},
	"a proxy in another region gets the request":       {func(t *testing.T, _ *play, _ string) *play { return sessions(t, "us") }, everybody},
}

func TestAffinityKeepsWhatTheTableSays(t *testing.T) {
	rows := affinityTable(t)
	for name := range events {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == name }) {
			t.Errorf("docs/affinity.md has no row %q", name)
		}
	}
	for _, row := range rows {
		t.Run(row[0], func(t *testing.T) {
			e, ok := events[row[0]]
			if !ok {
				t.Fatal("nobody plays this row")
			}
			weak, strong := e.play(t)
			if weak != row[1] || strong != row[2] {
				t.Errorf("weak: %s, strong: %s; the table says %s and %s", weak, strong, row[1], row[2])
			}
		})
	}
}

// play notes where many clients are, lets it happen, and says what became of
// those that it is about.
func (e *event) play(t *testing.T) (weak, strong string) {
	const clients = 1000
	p := sessions(t, "eu")
	request := func(n int) lb.Request { return lb.Request{Key: uint64(n) * 0x9e3779b97f4a7c15, Keyed: true} }
	before := make([]string, clients)
	for n := range before {
		before[n] = p.Explain(request(n)).Endpoint.ID
	}
	p = e.happens(t, p, before[0])
	var concerned, weakLost, strongLost int
	for n, was := range before {
		if !e.about(was, before[0]) {
			continue
		}
		concerned++
		r := request(n)
		if p.Explain(r).Endpoint.ID != was {
			weakLost++
		}
		r.Sticky = was
		if p.Explain(r).Endpoint.ID != was {
			strongLost++
		}
	}
	if concerned < 50 {
		t.Fatalf("only %d clients are concerned", concerned)
	}
	t.Logf("of %d clients %d are lost with weak, %d with strong affinity", concerned, weakLost, strongLost)
	return fate(weakLost, concerned), fate(strongLost, concerned)
}

func fate(lost, of int) string {
	switch lost {
	case 0:
		return "kept"
	case of:
		return "lost"
	}
	return "may be lost"
}

// affinityTable reads the rows of docs/affinity.md.
func affinityTable(t *testing.T) (rows [][]string) {
	b, err := os.ReadFile("../docs/affinity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "<!-- affinity -->\n")
	text, _, ok := strings.Cut(text, "<!-- end of affinity -->")
	if !ok {
		t.Fatal("docs/affinity.md has no table between its marks")
	}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(cells[0], "---") || strings.Contains(cells[0], "what happens") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}
