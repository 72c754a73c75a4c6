package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// statuses is what status --json prints: the API's answer.
type statuses struct {
	Services []admin.ServiceStatus `json:"services"`
	Retired  []admin.RetiredStatus `json:"retired,omitempty"`
}

func runStatus(c *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	rest, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	var all statuses
	if len(rest) == 0 {
		all.Services, err = client.Services(context.Background())
		if err == nil {
			all.Retired, err = client.Retired(context.Background())
		}
	} else {
		var one admin.ServiceStatus
		one, err = client.Service(context.Background(), rest[0])
		all.Services = []admin.ServiceStatus{one}
	}
	if err != nil {
		return err
	}
	if *where.asJSON {
		return c.printJSON(all)
	}
	if err := printStatus(c.out, all.Services); err != nil {
		return err
	}
	return printRetired(c.out, all.Retired)
}

// printStatus prints a table for each service. It leaves out the columns that
// would say the same of everybody, so that the usual ones fit into 80.
func printStatus(w io.Writer, services []admin.ServiceStatus) error {
	var b strings.Builder
	for i := range services {
		s := &services[i]
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: %s", s.Name, s.Policy)
		if s.Affinity != "NONE" {
			fmt.Fprintf(&b, " by %s", s.Affinity)
		}
		if s.ActivePool == "BACKUP" {
			b.WriteString(", backups are active")
		}
		fmt.Fprintf(&b, "\n%s%s", groupTable(s), statusTable(s))
		if left := leftTable(s); left != nil {
			b.WriteString(left.String())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// statusTable has one line for each endpoint of a service.
func statusTable(s *admin.ServiceStatus) *table {
	shown := func(head string, tells func(*admin.GroupStatus, *admin.EndpointStatus) bool) string {
		for g := range s.Groups {
			for e := range s.Groups[g].Endpoints {
				if tells(&s.Groups[g], &s.Groups[g].Endpoints[e]) {
					return head
				}
			}
		}
		return ""
	}
	group := shown("GROUP", func(g *admin.GroupStatus, _ *admin.EndpointStatus) bool { return g.Name != "" })
	word := shown("ADMIN", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool { return e.Admin != "READY" })
	weight := shown("WEIGHT", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool { return e.Weight != 1 })
	reported := shown("REPORTED", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool { return e.WeightError != "" })
	dropped := shown("DROPPED", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool {
		return e.Dropped != "" && e.Dropped != e.Admin && e.Health == "HEALTHY"
	})
	flaps := shown("FLAPS", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool { return e.Checks != nil && e.Checks.Flaps > 1 })
	reason := shown("REASON", func(_ *admin.GroupStatus, e *admin.EndpointStatus) bool { return e.Reason != "" })

	t := new(table)
	t.row(group, "ENDPOINT", "HEALTH", word, right(weight), right(reported), right("ACTIVE"),
		right("REQUESTS"), right("FAILURES"), right("EXPECTED"), right("ACTUAL"), dropped, right(flaps), reason)
	for _, g := range s.Groups {
		for _, e := range g.Endpoints {
			row := []any{g.Name, e.ID, e.Health, "", "", "", e.Active,
				e.Requests, e.Failures, percent(e.ShareExpected), percent(e.ShareActual), "", "", e.Reason}
			if word != "" {
				row[3] = e.Admin
			}
			if weight != "" {
				row[4] = e.Weight
			}
			if reported != "" {
				row[5] = right(reportedWeight(&e))
			}
			if dropped != "" {
				row[11] = e.Dropped
			}
			if flaps != "" && e.Checks != nil {
				row[12] = e.Checks.Flaps
			}
			t.row(row...)
		}
	}
	return t
}

// reportedWeight is the weight that an endpoint reports, with what is wrong with
// it, if anything is.
func reportedWeight(e *admin.EndpointStatus) string {
	var parts []string
	if e.ReportedWeight != nil {
		parts = append(parts, fmt.Sprint(*e.ReportedWeight))
	}
	if e.WeightError != "WEIGHT_NONE" {
		parts = append(parts, e.WeightError)
	}
	return strings.Join(parts, " ")
}
