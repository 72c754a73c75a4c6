package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/plot"
	"github.com/spillway-lb/spillway/internal/simulate"
)

// runSimulate plays traffic through a service of a file in virtual time.
func runSimulate(c *console, f *flags, args []string) error {
	flags := newSimulateFlags(f)
	rest, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	path, err := oneFile(flags.file, rest)
	if err == nil && path == "" {
		err = usageError("it takes a file: spillway simulate -c FILE --rate 200")
	}
	if err == nil {
		err = flags.check(f)
	}
	if err != nil {
		return err
	}
	cfg, err := load(path)
	if err != nil {
		return err
	}
	cfg = lookUp(c, cfg)
	svc, err := serviceOf(cfg, path, flags.service)
	if err != nil {
		return err
	}
	o, err := flags.options(c, cfg, svc)
	if err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return usageError(err.Error())
	}
	report, err := simulate.Run(context.Background(), o)
	if err != nil {
		return err
	}
	if flags.plot != "" {
		if err := writePlot(flags.plot, report.Figure()); err != nil {
			return err
		}
	}
	if flags.asJSON {
		return c.printJSON(report)
	}
	return printReport(c.out, report)
}

// lookUp finds the endpoints of groups that have them from DNS or a file. A group
// that finds nobody is said to, and stays empty.
func lookUp(c *console, cfg *config.Config) *config.Config {
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	found, err := app.Found(ctx, cfg)
	if err != nil {
		fmt.Fprintln(c.err, err)
	}
	return found
}

// options says what the flags and the file mean to a simulation.
func (s *simulateFlags) options(c *console, cfg *config.Config, svc *config.Service) (o simulate.Options, err error) {
	if o.Service, err = app.BalancerOptions(cfg, svc); err != nil {
		return o, configError{err}
	}
	clients, listener, err := clientsOf(cfg, svc)
	if err != nil {
		return o, configError{err}
	}
	o.ServiceTime, o.ServiceTimes, o.Cores = s.time, s.times, s.cores
	o.Failures, o.Scales = s.failures, s.scales
	o.Seed, o.Bucket = s.seed, s.bucket
	if r := svc.Retry; r != nil {
		o.Tries = 1 + r.NumRetries
	}
	if s.log != "" {
		return o, s.replay(c, &o, clients)
	}
	o.Duration = s.duration
	o.Arrivals, err = simulate.Demand{
		Curve: s.curve, Until: s.duration, Poisson: s.arrivals == "poisson",
		Keys: clients.Keys(s.keys, listener), Seed: s.seed,
	}.Arrivals()
	if err != nil {
		return o, usageError(err.Error())
	}
	return o, nil
}

// replay takes the traffic of an access log.
func (s *simulateFlags) replay(c *console, o *simulate.Options, clients *simulate.Clients) error {
	in := io.Reader(os.Stdin)
	if s.log != "-" {
		f, err := os.Open(s.log)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	log, err := simulate.ReadLog(in, o.Service.Name, clients)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", s.log, err)
	case len(log.Requests) == 0:
		return fmt.Errorf("%s: no request to service %q; lines of others: %d", s.log, o.Service.Name, log.Others)
	}
	note := func(format string, args ...any) { fmt.Fprintf(c.err, s.log+": "+format+"\n", args...) }
	if log.Missing > 0 {
		note("%d lines are missing that the proxy had no room for", log.Missing)
	}
	if log.Cut {
		note("the last line is not whole and left out")
	}
	if clients.Keyed() && !clients.Exact() {
		note("a log has neither headers nor cookies; each client address counts as one user")
	}
	o.Start, o.Duration, o.Arrivals = log.Start, log.Duration, log.Requests.Arrivals()
	o.Recorded = log.Endpoints
	return nil
}

// clientsOf is how the service names its clients, and the name of a listener by
// which they come.
func clientsOf(cfg *config.Config, svc *config.Service) (*simulate.Clients, string, error) {
	rule, err := app.Affinity(cfg, svc)
	if err != nil {
		return nil, "", err
	}
	clients := &simulate.Clients{Rule: rule, Hashes: app.Hashes(svc), Listen: make(map[string]netip.AddrPort)}
	if svc.Protocol == "UDP" {
		clients.Protocol = 17
	}
	first := ""
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if !l.LeadsTo(svc.Name) {
			continue
		}
		if first == "" {
			first = l.Name
		}
		// What is no single address, such as ":80", was some address when a client
		// dialed it. The log does not say which; that of loopback is as good as any.
		if addr, err := dialable(l.Listen); err == nil {
			clients.Listen[l.Name], _ = netip.ParseAddrPort(addr)
		}
	}
	return clients, first, nil
}

// writePlot draws first and opens the file then, so that what cannot be drawn
// leaves an older picture alone.
func writePlot(path string, figure *plot.Figure) error {
	format, err := plot.FormatOf(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := figure.Write(&b, format); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
