package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

func runDrain(c *console, f *flags, args []string) error {
	t := newTarget(f)
	wait := f.Bool("wait", false, "print what is left, as it changes, and return when that is nothing; exit code 4 if the time runs out first")
	timeout := f.Duration("timeout", 0, "with --wait: how long to wait, such as 30s (default until nothing is left)")
	now := f.Bool("now", false, "end at once what is under way: requests get a 504, connections a reset")
	client, err := t.parse(args)
	if err != nil {
		return err
	}
	defer client.Close()
	switch {
	case *timeout < 0 || f.set("timeout") && !*wait:
		return usageError("--timeout is for --wait, and not below 0")
	case *now && t.group != "":
		return usageError("--now is for an endpoint")
	}
	var by time.Time
	if *timeout > 0 {
		by = time.Now().Add(*timeout)
	}
	if err := c.beginDrain(client, t, *now, *wait); err != nil || !*wait {
		return err
	}
	return c.waitUntilEmpty(client, t, by)
}

// beginDrain says the word. The answer is left to waitUntilEmpty if that follows with
// JSON, so that each line of it has the same form.
func (c *console) beginDrain(client *admin.Client, t *target, now, wait bool) error {
	quiet := wait && *t.where.asJSON
	if t.group != "" {
		if quiet {
			_, err := client.SetScaler(context.Background(), t.service, t.group, new(float64))
			return err
		}
		return c.scale(client, t, new(float64))
	}
	removed, err := t.find(client)
	if err != nil || removed && !now && wait {
		return err // a nil one: it drains already
	}
	var e admin.EndpointStatus
	switch {
	case now:
		e, err = client.CutNow(context.Background(), t.service, t.endpoint, removed)
	case removed:
		return fmt.Errorf("%s has left the file of service %s and drains already; --wait waits for its end, --now ends it", t.endpoint, t.service)
	default:
		e, err = client.SetAdmin(context.Background(), t.service, t.endpoint, "DRAIN")
	}
	switch {
	case err != nil || quiet:
		return err
	case removed:
		_, err = fmt.Fprintf(c.out, "%s of %s: it has left the file, and what it had is cut\n", t.endpoint, t.service)
		return err
	}
	return c.printWord(t, e)
}

// pollEvery is how often a drain is looked at.
const pollEvery = 250 * time.Millisecond

// repeatAfter is when a line is printed although no number but the age has changed.
const repeatAfter = 10 * time.Second

// waitUntilEmpty prints what is left until that is nothing, or, unless that is zero,
// until by.
func (c *console) waitUntilEmpty(client *admin.Client, t *target, by time.Time) error {
	var last *leftover
	var printed time.Time
	var lull lull
	for {
		left, err := t.left(client)
		if err != nil {
			return err
		}
		lull.judge(left, time.Now())
		late := !by.IsZero() && !time.Now().Before(by)
		if last == nil || !left.same(last) || left.Drained || late || time.Since(printed) >= repeatAfter {
			if err := c.printLeft(left, *t.where.asJSON); err != nil {
				return err
			}
			last, printed = left, time.Now()
		}
		switch {
		case left.Drained:
			return nil
		case late:
			return errSaid(exitFound)
		}
		pause := pollEvery
		if !by.IsZero() {
			pause = min(pause, time.Until(by))
		}
		time.Sleep(pause)
	}
}

// left asks what is left. It is an error if the endpoint or group gets traffic again:
// then there is nothing to wait for.
func (t *target) left(client *admin.Client) (*leftover, error) {
	v, err := client.Service(context.Background(), t.service)
	var p *admin.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, fmt.Errorf("service %q has left the file; what it has drains with its own timeout", t.service)
	}
	if err != nil {
		return nil, err
	}
	if t.group != "" {
		return leftOnGroup(&v, t.group)
	}
	left := leftOn(&v, t.endpoint)
	if left.there && left.admin == "READY" {
		return nil, fmt.Errorf("%s of %s is READY again, and gets traffic", t.endpoint, t.service)
	}
	return left, nil
}
