package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spillway-lb/spillway/internal/admin"
)

// statuses is what status --json prints: the API's answer.
type statuses struct {
	Services []admin.ServiceStatus `json:"services"`
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
	return printStatus(c.out, all.Services)
}

// printStatus prints one line for each endpoint.
func printStatus(w io.Writer, services []admin.ServiceStatus) error {
	var t table
	grouped, ill := "", ""
	for _, s := range services {
		for _, g := range s.Groups {
			if g.Name != "" {
				grouped = "GROUP"
			}
			for _, e := range g.Endpoints {
				if e.Reason != "" {
					ill = "REASON"
				}
			}
		}
	}
	t.row("SERVICE", "POLICY", grouped, "ENDPOINT", "HEALTH", "ADMIN", right("WEIGHT"), right("ACTIVE"),
		right("REQUESTS"), right("FAILURES"), right("EXPECTED"), right("ACTUAL"), ill)
	for _, s := range services {
		for _, g := range s.Groups {
			for _, e := range g.Endpoints {
				t.row(s.Name, s.Policy, g.Name, e.ID, e.Health, e.Admin, e.Weight, e.Active,
					e.Requests, e.Failures, percent(e.ShareExpected), percent(e.ShareActual), e.Reason)
			}
		}
	}
	_, err := fmt.Fprint(w, t.String())
	return err
}
