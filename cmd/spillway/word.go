package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spillway-lb/spillway/internal/admin"
)

// This file has the verbs that change a running proxy.

func runDrain(c *console, f *flags, args []string) error {
	nothing := 0.0
	return c.say(f, args, "DRAIN", &nothing)
}

func runReady(c *console, f *flags, args []string) error {
	var scaler float64
	f.Func("scaler", "with --group: the `PART` of its target to use, 0.1 to 1 (default what the file says)", func(v string) (err error) {
		scaler, err = strconv.ParseFloat(v, 64)
		if err == nil && !(scaler >= 0.1 && scaler <= 1) {
			err = errors.New("want 0.1 to 1; drain sets 0")
		}
		return err
	})
	return c.say(f, args, "READY", &scaler)
}

// say sets the operator's word on an endpoint, or with --group the capacity scaler
// of a group.
func (c *console) say(f *flags, args []string, word string, scaler *float64) error {
	where := newAdminFlags(f)
	group := f.String("group", "", "a `GROUP` with a balancing mode, in place of an endpoint")
	rest, err := f.parse(args, 1, 2)
	switch {
	case err != nil:
		return err
	case *group == "" && len(rest) < 2:
		return usageError("it takes a service, and an endpoint or --group GROUP")
	case *group != "" && len(rest) > 1:
		return usageError(fmt.Sprintf("%q is too much beside --group", rest[1]))
	case f.set("scaler") && *group == "":
		return usageError("--scaler is for a --group")
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if *group != "" {
		if word == "READY" && !f.set("scaler") {
			scaler = nil // the file's
		}
		return c.scale(client, rest[0], *group, scaler, *where.asJSON)
	}
	e, err := client.SetAdmin(context.Background(), rest[0], rest[1], word)
	if err != nil {
		return err
	}
	if *where.asJSON {
		return c.printJSON(e)
	}
	_, err = fmt.Fprintf(c.out, "%s of %s: %s, health %s, %d active, %v of new traffic\n",
		e.ID, rest[0], e.Admin, e.Health, e.Active, percent(e.ShareExpected))
	return err
}

// scale sets the part of a group's target that is to be used; nil: as the file has
// it.
func (c *console) scale(client *admin.Client, service, group string, scaler *float64, asJSON bool) error {
	g, err := client.SetScaler(context.Background(), service, group, scaler)
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(g)
	}
	_, err = fmt.Fprintf(c.out, "group %s of %s: capacity_scaler %v, capacity %v %s, %v of new traffic\n",
		g.Name, service, g.CapacityScaler, number(g.Capacity), units[g.BalancingMode], percent(g.Share))
	return err
}

func runReload(c *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	err = client.Reload(context.Background())
	var p *admin.Problem
	if errors.As(err, &p) && p.Status == http.StatusUnprocessableEntity {
		return configError{err} // the file's problems, as check has them
	}
	if err != nil {
		return err
	}
	if *where.asJSON {
		return c.printJSON(map[string]bool{"reloaded": true})
	}
	_, err = fmt.Fprintln(c.out, "reloaded")
	return err
}
