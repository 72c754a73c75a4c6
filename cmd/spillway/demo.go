package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
)

// demoPolicies are all policies of the file, in the order of the table.
var demoPolicies = []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV"}

// A demo is a proxy, its endpoints and its clients in one process. All traffic
// between them goes over sockets.
type demo struct {
	policy    string   // of the services "web" and "tcp"
	policies  []string // that have a service, and a line of the table
	endpoints []*demoEndpoint
	app       *app.App
	api       *admin.Client
	traffic   *demoTraffic
	show      *demoReport
}

func runDemo(c *console, f *flags, args []string) error {
	duration := f.Duration("duration", 0, "end after this `TIME`, such as 10s (default: on Ctrl-C)")
	policy := f.String("policy", "", "show one `POLICY` alone: "+strings.Join(demoPolicies, ", "))
	asJSON := f.Bool("json", false, "print the findings as JSON, once they are complete")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *duration < 0 {
		return usageError("--duration must not be negative")
	}
	d := &demo{policy: demoPolicies[0], policies: demoPolicies, show: newDemoReport(c.out, *asJSON)}
	if *policy != "" {
		p, err := demoPolicy(*policy)
		if err != nil {
			return err
		}
		d.policy, d.policies = p, []string{p}
	}

	ctx, cancel := context.WithCancel(context.Background())
	if *duration > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), *duration)
	}
	signals, end := c.signals()
	defer end()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { cancelOnSignal(ctx, cancel, signals) })
	return d.run(ctx)
}

func demoPolicy(name string) (string, error) {
	for _, p := range demoPolicies {
		if strings.EqualFold(p, name) {
			return p, nil
		}
	}
	if guess := nearest(strings.ToUpper(name), demoPolicies); guess != "" {
		return "", usageError(fmt.Sprintf("there is no policy %q; did you mean %s?", name, guess))
	}
	return "", usageError(fmt.Sprintf("there is no policy %q; there are %s", name, strings.Join(demoPolicies, ", ")))
}

// run opens everything, shows it and closes it when ctx ends.
func (d *demo) run(ctx context.Context) (err error) {
	defer func() {
		for _, e := range d.endpoints {
			e.kill()
		}
	}()
	for _, name := range []string{"red", "green", "blue"} {
		e := newDemoEndpoint(name)
		if err := e.start(); err != nil {
			return err
		}
		d.endpoints = append(d.endpoints, e)
	}
	if d.app, err = d.open(); err != nil {
		return err
	}
	d.api = admin.NewClient(d.app.ListenAddr("admin").String(), "")
	defer d.api.Close()
	d.traffic = newDemoTraffic(d.app.ListenAddr("http").String(), d.app.ListenAddr("tcp").String())
	defer d.traffic.close()

	ctx, stop := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop(d.app.Run(ctx)) // nil: as context.Canceled
	}()
	err = d.present(ctx)
	stop(nil)
	<-ended
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause // the proxy stopped by itself
	}
	return err
}

// open makes the proxy. The admin API has its usual address if that is free.
func (d *demo) open() (*app.App, error) {
	a, err := d.openAt(defaultAdmin)
	if err != nil {
		a, err = d.openAt("127.0.0.1:0")
	}
	return a, err
}

func (d *demo) openAt(adminAddr string) (*app.App, error) {
	cfg, err := config.Parse("demo", []byte(d.file(adminAddr)))
	if err != nil {
		return nil, err
	}
	return app.New(cfg, app.Options{Log: slog.New(slog.DiscardHandler), Version: thisBuild().Version})
}

// present runs the acts of the demo, and then lets traffic trickle until ctx
// ends. That ctx ends is not an error.
func (d *demo) present(ctx context.Context) error {
	d.show.opening(d)
	for _, act := range []func(context.Context) error{d.shares, d.failover} {
		if err := act(ctx); err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return err
		}
	}
	if err := d.show.closing(d); err != nil {
		return err
	}
	d.traffic.pace(ctx, time.Second/trickle, new(tally))
	return nil
}

// cancelOnSignal calls cancel when a signal asks to stop, and returns when it
// has or ctx ends.
func cancelOnSignal(ctx context.Context, cancel func(), signals <-chan os.Signal) {
	for {
		select {
		case s := <-signals:
			if !asksReload(s) && !asksUpgrade(s) {
				cancel()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
