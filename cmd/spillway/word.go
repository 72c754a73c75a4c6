package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spillway-lb/spillway/internal/admin"
)

// This file has the verbs that change a running proxy.

func runDrain(c *console, f *flags, args []string) error { return c.say(f, args, "DRAIN") }

func runReady(c *console, f *flags, args []string) error { return c.say(f, args, "READY") }

// say sets the operator's word on an endpoint.
func (c *console) say(f *flags, args []string, word string) error {
	where := newAdminFlags(f)
	rest, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
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
