package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
)

// runExplain asks a running proxy, if --admin says where it is, and else the file.
// That nobody can be had is a finding: exit code 4.
func runExplain(c *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	f.Lookup("c").Usage = "the `FILE` to ask, or name it without -c; with --admin, the running proxy's, for its token"
	f.Lookup("admin").Usage = "ask the proxy that runs, whose admin API is at `ADDR`: with its health, load and drains"
	service := f.String("service", "", "the service's `NAME`; may be left out where there is only one")
	var q admin.Question
	for _, p := range []struct{ name, usage string }{
		{"client", "where the request comes from, `IP:PORT`"},
		{"destination", "where the client has sent it to, `IP:PORT` (default: where the listener is)"},
		{"header", "a header, `'Name: value'`; may be repeated"},
		{"cookie", "a cookie, `name=value`; may be repeated"},
		{"avoid", "an endpoint's `ID` that was tried already; may be repeated"},
	} {
		f.Func(p.name, p.usage, func(v string) error { return q.Add(p.name, v) })
	}
	rest, err := f.parse(args, 0, 1)
	if err == nil {
		*where.file, err = oneFile(*where.file, rest)
	}
	if err != nil {
		return err
	}
	var x admin.Explanation
	switch {
	case *where.addr != "":
		x, err = explainLive(&where, *service, q)
	case *where.file != "":
		x, err = explainFile(*where.file, *service, q)
	default:
		return usageError("it takes -c FILE, or --admin ADDR for a running proxy")
	}
	if err != nil {
		return err
	}
	if *where.asJSON {
		err = c.printJSON(x)
	} else {
		err = printExplanation(c.out, &x)
	}
	if err == nil && x.Endpoint == "" {
		return errSaid(exitFound)
	}
	return err
}

func explainLive(where *adminFlags, service string, q admin.Question) (x admin.Explanation, err error) {
	client, err := where.client()
	if err != nil {
		return x, err
	}
	defer client.Close()
	if service == "" {
		all, err := client.Services(context.Background())
		if err != nil {
			return x, err
		}
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		if service, err = onlyOne(names); err != nil {
			return x, err
		}
	}
	return client.Explain(context.Background(), service, q)
}

func explainFile(path, service string, q admin.Question) (x admin.Explanation, err error) {
	cfg, err := load(path)
	if err != nil {
		return x, err
	}
	svc, err := serviceOf(cfg, path, service)
	if err != nil {
		return x, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	return app.Explain(ctx, cfg, svc.Name, q)
}

// printExplanation prints the answer first, and then what led to it.
func printExplanation(w io.Writer, x *admin.Explanation) error {
	var b strings.Builder
	if x.Endpoint == "" {
		fmt.Fprintf(&b, "%s: %s\n", x.Service, x.Reason)
	} else {
		fmt.Fprintf(&b, "%s: %s%s\n", x.Service, x.Endpoint, inGroup(x.Group))
		fmt.Fprintf(&b, "because %s\n", x.Reason)
	}
	key := "no key: " + x.KeyOf
	if x.Key != "" {
		key = fmt.Sprintf("key %s, of %s", x.Key, x.KeyOf)
	}
	fmt.Fprintf(&b, "policy %s, affinity %s, %s\n", x.Policy, x.Affinity, key)
	if x.Session != "" {
		fmt.Fprintf(&b, "session: %s\n", x.Session)
	}
	if x.Queue != nil {
		fmt.Fprintf(&b, "limits: %s\n", limits(x.Queue))
	}
	for _, note := range x.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if len(x.Tiers) > 0 {
		fmt.Fprintf(&b, "\n%s", tierTable(x))
	}
	fmt.Fprintf(&b, "\n%s", candidateTable(x))
	_, err := io.WriteString(w, b.String())
	return err
}

// limits are the service's circuit breakers, and what is taken of each.
func limits(q *admin.QueueStatus) string {
	var all []string
	for _, l := range []struct {
		name   string
		limit  int64
		is     int64
		what   string
		always bool
	}{
		{"max_connections", q.Limits.MaxConnections, q.Active, "taken", false},
		{"max_requests", q.Limits.MaxRequests, q.Active, "under way", false},
		{"max_pending_requests", q.Limits.MaxPendingRequests, q.Queued, "waiting", true},
	} {
		switch {
		case l.limit > 0:
			all = append(all, fmt.Sprintf("%s %d (%d %s)", l.name, l.limit, l.is, l.what))
		case l.always:
			all = append(all, fmt.Sprintf("%s unlimited (%d %s)", l.name, l.is, l.what))
		}
	}
	patience := time.Duration(q.Limits.PendingTimeout * float64(time.Second))
	return strings.Join(append(all, fmt.Sprintf("pending_timeout %v", patience.Round(time.Millisecond))), ", ")
}

func inGroup(name string) string {
	if name == "" {
		return ""
	}
	return " of group " + name
}

// verdict is what a table says of somebody: chosen, dropped and why, or neither.
func verdict(chosen bool, dropped string) string {
	if chosen {
		return "<- chosen"
	}
	return dropped
}

func tierTable(x *admin.Explanation) *table {
	t := new(table)
	t.row(right("TIER"), "GROUP", "FULL", "", right("USAGE"), right("OF"), right("SHARE"), "DROPPED")
	for _, tier := range x.Tiers {
		for _, g := range tier.Groups {
			t.row(right(fmt.Sprint(tier.Tier)), g.Name, bar(g.Fullness), percent(g.Fullness), number(g.Usage), number(g.Capacity),
				percent(g.Share), verdict(g.Name == x.Group && x.Endpoint != "", g.Dropped))
		}
	}
	return t
}

func candidateTable(x *admin.Explanation) *table {
	group := ""
	for _, e := range x.Candidates {
		if e.Group != "" {
			group = "GROUP"
		}
	}
	t := new(table)
	t.row(group, "ENDPOINT", right("ACTIVE"), right("SHARE"), "DROPPED")
	for _, e := range inOrder(x) {
		t.row(e.Group, e.Endpoint, e.Active, percent(e.Share), verdict(e.Endpoint == x.Endpoint && x.Endpoint != "", e.Dropped))
	}
	return t
}

// inOrder are the candidates in the order in which their groups are filled, and
// those of groups that are not after them.
func inOrder(x *admin.Explanation) []admin.ExplainedCandidate {
	var order []string
	for _, t := range x.Tiers {
		for _, g := range t.Groups {
			order = append(order, g.Name)
		}
	}
	place := func(group string) int {
		if i := slices.Index(order, group); i >= 0 {
			return i
		}
		return len(order)
	}
	sorted := slices.Clone(x.Candidates)
	slices.SortStableFunc(sorted, func(a, b admin.ExplainedCandidate) int {
		return cmp.Or(cmp.Compare(place(a.Group), place(b.Group)), cmp.Compare(a.Group, b.Group))
	})
	return sorted
}
