package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

// leftTable has a line for each endpoint that takes nothing new, or has left the
// file, and still has something. nil: there is none.
func leftTable(s *admin.ServiceStatus) *table {
	var t *table
	line := func(id, address, why string, active int64, c admin.ConnectionsStatus) {
		if t == nil {
			t = new(table)
			t.row("LEFT ON", "ADDRESS", "WHY", right("ACTIVE"), right("OLDEST"), right("BYTES"), right("CUT IN"))
		}
		until := "never"
		if c.Until != nil {
			until = span(max(time.Until(*c.Until), 0)).String()
		}
		t.row(id, address, why, active, right(span(time.Duration(c.Oldest*float64(time.Second))).String()), right(size(c.Bytes)), right(until))
	}
	for _, g := range s.Groups {
		for _, e := range g.Endpoints {
			if e.Connections != nil {
				line(e.ID, e.Address, e.Dropped, e.Connections.Active, *e.Connections)
			}
		}
	}
	for _, r := range s.Removed {
		line(r.ID, r.Address, "REMOVED", r.Active, admin.ConnectionsStatus{Oldest: r.Oldest, Bytes: r.Bytes, Until: r.Until})
	}
	return t
}

// printRetired prints what is left of services that have left the file.
func printRetired(w io.Writer, all []admin.RetiredStatus) error {
	for _, r := range all {
		left := leftTable(&admin.ServiceStatus{Removed: r.Removed})
		if _, err := fmt.Fprintf(w, "\n%s: it has left the file\n%s", r.Name, left); err != nil {
			return err
		}
	}
	return nil
}
