package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// This file has the verbs that change a running proxy, but for drain.

func runReady(c *console, f *flags, args []string) error {
	var scaler float64
	f.Func("scaler", "with --group: the `PART` of its target to use, 0.1 to 1 (default what the file says)", func(v string) (err error) {
		scaler, err = strconv.ParseFloat(v, 64)
		if err == nil && !(scaler >= 0.1 && scaler <= 1) {
			err = errors.New("want 0.1 to 1; drain sets 0")
		}
		return err
	})
	t := newTarget(f)
	client, err := t.parse(args)
	switch {
	case err != nil:
		return err
	case f.set("scaler") && t.group == "":
		client.Close()
		return usageError("--scaler is for a --group")
	}
	defer client.Close()
	if t.group == "" {
		if _, err := t.find(client); err != nil {
			return err
		}
		return c.say(client, t, "READY")
	}
	if !f.set("scaler") {
		return c.scale(client, t, nil) // the file's
	}
	return c.scale(client, t, &scaler)
}

// A target is what drain and ready are about: an endpoint or a group of a service.
type target struct {
	f        *flags
	where    adminFlags
	service  string // "": the only one that has the endpoint
	endpoint string
	group    string
}

func newTarget(f *flags) *target {
	t := &target{f: f, where: newAdminFlags(f)}
	f.StringVar(&t.group, "group", "", "a `GROUP` with a balancing mode, in place of an endpoint")
	return t
}

// parse reads the command line, and returns a client of the API that it names. The
// caller closes it.
func (t *target) parse(args []string) (*admin.Client, error) {
	rest, err := t.f.parse(args, 1, 2)
	switch {
	case err != nil:
		return nil, err
	case t.group != "" && len(rest) > 1:
		return nil, usageError(fmt.Sprintf("%q is too much beside --group", rest[1]))
	case t.group != "" || len(rest) == 2:
		t.service = rest[0]
	}
	if t.group == "" {
		t.endpoint = rest[len(rest)-1]
	}
	return t.where.client()
}

// find names the service, if the command line does not, and reports whether the
// endpoint has left the file and still has traffic.
func (t *target) find(client *admin.Client) (removed bool, err error) {
	var services []admin.ServiceStatus
	if t.service != "" {
		var one admin.ServiceStatus
		one, err = client.Service(context.Background(), t.service)
		services = []admin.ServiceStatus{one}
	} else {
		services, err = client.Services(context.Background())
	}
	if err != nil {
		return false, err
	}
	var in []string
	for i := range services {
		left := leftOn(&services[i], t.endpoint)
		if left.there || left.Active > 0 {
			in, removed = append(in, services[i].Name), !left.there
		}
		if t.service == "" && services[i].Name == t.endpoint {
			return false, usageError(fmt.Sprintf("%q is a service: it takes one of its endpoints as well, or --group GROUP", t.endpoint))
		}
	}
	switch {
	case len(in) == 1:
		t.service = in[0]
		return removed, nil
	case len(in) > 1:
		return false, usageError(fmt.Sprintf("%q is an endpoint of %s: say of which", t.endpoint, strings.Join(in, " and ")))
	case t.service == "":
		return false, fmt.Errorf("no service has an endpoint %q", t.endpoint)
	}
	return false, fmt.Errorf("service %q has no endpoint %q", t.service, t.endpoint)
}

// say sets the operator's word on an endpoint.
func (c *console) say(client *admin.Client, t *target, word string) error {
	e, err := client.SetAdmin(context.Background(), t.service, t.endpoint, word)
	if err != nil {
		return err
	}
	return c.printWord(t, e)
}

func (c *console) printWord(t *target, e admin.EndpointStatus) error {
	if *t.where.asJSON {
		return c.printJSON(e)
	}
	_, err := fmt.Fprintf(c.out, "%s of %s: %s, health %s, %d active, %v of new traffic\n",
		e.ID, t.service, e.Admin, e.Health, e.Active, percent(e.ShareExpected))
	return err
}

// scale sets the part of a group's target that is to be used; nil: as the file has
// it.
func (c *console) scale(client *admin.Client, t *target, scaler *float64) error {
	g, err := client.SetScaler(context.Background(), t.service, t.group, scaler)
	if err != nil {
		return err
	}
	if *t.where.asJSON {
		return c.printJSON(g)
	}
	_, err = fmt.Fprintf(c.out, "group %s of %s: capacity_scaler %v, capacity %v %s, %v of new traffic\n",
		g.Name, t.service, g.CapacityScaler, number(g.Capacity), units[g.BalancingMode], percent(g.Share))
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
