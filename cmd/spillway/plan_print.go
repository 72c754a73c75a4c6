package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spillway-lb/spillway/internal/plan"
)

// printPlan prints what changes, and of what stays how much there is.
func printPlan(w io.Writer, p *plan.Plan, traced *plan.Traced) error {
	var b strings.Builder
	same := 0
	for i := range p.Services {
		if s := &p.Services[i]; s.Verb == plan.Stays {
			same++
		} else {
			fmt.Fprintf(&b, "service %s%s\n%s\n", s.Name, verbSuffix(s.Verb), serviceTable(s))
		}
	}
	switch {
	case p.Empty():
		b.WriteString("nothing changes\n")
	case same > 0:
		fmt.Fprintf(&b, "%s: no change\n", count(same, "other service"))
	}
	writeListeners(&b, p.Listeners)
	if len(p.Settings) > 0 {
		fmt.Fprintf(&b, "other settings: %s\n", strings.Join(p.Settings, ", "))
	}
	switch {
	case len(p.Restart) > 0:
		b.WriteString("a reload refuses this, a restart is needed:\n")
		for _, why := range p.Restart {
			fmt.Fprintf(&b, "  %s\n", why)
		}
	case !p.Empty():
		b.WriteString("a reload is enough\n")
	}
	writeTraced(&b, traced)
	_, err := io.WriteString(w, b.String())
	return err
}

func verbSuffix(v plan.Verb) string {
	switch v {
	case plan.Comes:
		return " (new)"
	case plan.Goes:
		return " (gone)"
	}
	return ""
}

// serviceTable has a line for each thing that changes.
func serviceTable(s *plan.Service) *table {
	t := new(table)
	row := func(what, text string) { t.row("  "+what, text) }
	switch {
	case s.Verb == plan.Comes:
	case s.Why != "":
		row("moved", fmt.Sprintf("%s of the keys: %s", exactPercent(s.Moved), s.Why))
	default:
		row("moved", exactPercent(s.Moved)+" of the keys")
	}
	if x := s.Sessions; x != nil {
		text := exactPercent(x.Orphaned) + " of the strong sessions lose their endpoint"
		if x.Why != "" {
			text += ": " + x.Why
		}
		row("sessions", text)
	}
	for _, e := range s.Gained {
		row("gains", fmt.Sprintf("%s, which gets %s", endpointText(&e), percent(e.Share)))
	}
	for _, e := range s.Lost {
		row("loses", fmt.Sprintf("%s, which had %s", endpointText(&e), percent(e.Share)))
	}
	for _, e := range s.Changed {
		row("changes", fmt.Sprintf("%s: %s", e.ID, strings.Join(e.Changes, ", ")))
	}
	for i := range max(len(s.Capacity.Before), len(s.Capacity.After)) {
		row(fmt.Sprintf("tier %d", i), tierText(tierAt(s.Capacity.Before, i), tierAt(s.Capacity.After, i)))
	}
	if len(s.Settings) > 0 {
		row("settings", strings.Join(s.Settings, ", "))
	}
	return t
}

func endpointText(e *plan.Endpoint) string {
	text := e.ID
	if e.Address != e.ID {
		text += " at " + e.Address
	}
	if e.Group != "" {
		text += " in " + e.Group
	}
	return text
}

func tierAt(tiers []plan.Tier, i int) *plan.Tier {
	if i < len(tiers) {
		return &tiers[i]
	}
	return nil
}

// tierText is a tier before and after, in short where it stays.
func tierText(before, after *plan.Tier) string {
	a, b := capacityText(before), capacityText(after)
	if a == b {
		return a
	}
	return a + " → " + b
}

func capacityText(t *plan.Tier) string {
	if t == nil {
		return "none"
	}
	var groups []string
	byReports := 0
	for _, g := range t.Groups {
		can := number(g.Capacity).String()
		if g.ByReports {
			byReports++
			can = "by reports"
		}
		groups = append(groups, g.Name+" "+can)
	}
	sum := number(t.Capacity).String() + " " + t.Unit
	if byReports == len(t.Groups) {
		sum = "by reports"
	}
	return fmt.Sprintf("%s (%s)", sum, strings.Join(groups, ", "))
}

func writeListeners(b *strings.Builder, all []plan.Listener) {
	for _, l := range all {
		switch l.Verb {
		case plan.Comes:
			fmt.Fprintf(b, "listener %s opens %s\n", l.Name, l.After)
		case plan.Goes:
			fmt.Fprintf(b, "listener %s closes %s, and its connections drain\n", l.Name, l.Before)
		default:
			fmt.Fprintf(b, "listener %s moves from %s to %s, and its connections drain\n", l.Name, l.Before, l.After)
		}
	}
}

func writeTraced(b *strings.Builder, t *plan.Traced) {
	if t == nil {
		return
	}
	fmt.Fprintf(b, "\n%d of %s of service %s %s\n", t.Moved, count(t.Keys, "key"), t.Service, map[bool]string{true: "moves", false: "move"}[t.Moved == 1])
	lines := new(table)
	for _, m := range t.Moves {
		lines.row("  "+m.Key, m.From+" → "+m.To)
	}
	b.WriteString(lines.String())
}

// exactPercent is a part as a percentage with as many digits as tell it from its
// neighbours: a gate at 5 % that fails at 5.001 % says so.
func exactPercent(part float64) string {
	return strconv.FormatFloat(100*part, 'g', 6, 64) + " %"
}
