package main

import (
	"context"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/top"
)

func runTop(_ *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	interval := f.Duration("interval", time.Second, "how often the proxy is asked")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *where.asJSON {
		return usageError("top draws on a terminal; spillway status --json prints the same once")
	}
	if *interval < 100*time.Millisecond {
		return usageError("--interval must be at least 100ms")
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	// The first answer comes before the screen is taken: an error is for who typed.
	if _, err := client.Services(context.Background()); err != nil {
		return err
	}
	return top.Run(context.Background(), top.Options{
		Title:    client.Addr(),
		Ask:      func(ctx context.Context) ([]admin.ServiceStatus, error) { return client.Services(ctx) },
		Interval: *interval,
	})
}
