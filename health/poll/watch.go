package poll

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// Options say how endpoints are asked. They are plain data, comparable, and shared
// freely.
type Options struct {
	// Interval is from the start of one poll to the start of the next, 10ms to 5m.
	// Default: 1s.
	Interval time.Duration
	// Timeout bounds one poll, connecting included. Default: 5s, but never above
	// Interval.
	Timeout time.Duration
	// Port to ask instead of the serving port; 0: the serving port.
	Port int
	// Path is what to GET, at most 1024 bytes of ASCII. Default: "/".
	Path string
	// TLS makes it HTTPS; as health.Check.TLS. nil: HTTP.
	TLS *tls.Config
}

// check is the request as a check has it.
func (o Options) check() health.Check {
	c := health.Check{Type: health.TypeHTTP, CheckInterval: o.Interval, Timeout: o.Timeout, Port: o.Port, RequestPath: o.Path, TLS: o.TLS}
	if o.TLS != nil {
		c.Type = health.TypeHTTPS
	}
	if c.CheckInterval == 0 {
		c.CheckInterval = time.Second
	}
	return c.WithDefaults()
}

// Validate reports everything that Watch would refuse o for.
func (o Options) Validate() error {
	if err := o.check().Validate(); err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}

// Watch polls the endpoint at addr until ctx ends, and calls report after each
// poll, with what the endpoint reports of itself and of metrics, or why nothing is
// known: a health.ErrLoadReport if it answered with a bad page. It runs in the
// caller's goroutine, calls report on it, and returns ctx's error once everything
// it started is gone; or, at once, what Options.Validate says. The report is
// report's to keep.
//
// The first poll starts at a random point within the first interval, or within the
// first second if that is sooner, so that a thousand endpoints are not asked at
// once. Polls follow from start to start at the interval give or take a tenth, and
// never overlap. One that the end of ctx cut short is not reported.
func Watch(ctx context.Context, o Options, addr string, metrics []string, report func(*health.LoadReport, error)) error {
	c := o.check()
	if err := o.Validate(); err != nil {
		return err
	}
	timer := time.NewTimer(rand.N(min(c.CheckInterval, time.Second)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		tenth := c.CheckInterval / 10
		next := time.Now().Add(c.CheckInterval - tenth + rand.N(2*tenth+1))
		r, err := once(ctx, c, addr, metrics)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(r, err)
		timer.Reset(time.Until(next))
	}
}

// once makes one poll.
func once(ctx context.Context, c health.Check, addr string, metrics []string) (*health.LoadReport, error) {
	page, err := health.Fetch(ctx, c, addr, accept)
	if err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	r, err := Parse(page, metrics...)
	if err != nil {
		return nil, err
	}
	return &r, nil
}
