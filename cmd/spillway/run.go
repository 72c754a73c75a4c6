package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/handover"
	"github.com/spillway-lb/spillway/internal/systemd"
)

func runProxy(c *console, f *flags, args []string) (err error) {
	if c.heir, err = handover.Inherit(); err != nil {
		return err
	}
	defer func() {
		if c.heir != nil && err != nil {
			c.heir.Fail(err)
		}
	}()
	file := f.String("c", "", "the `FILE` that describes the proxy; or name it without -c")
	listen := f.String("listen", "", "without a file: the `ADDR` to listen on for HTTP, such as :8080")
	to := f.String("to", "", "without a file: the `ENDPOINTS`, host:port,host:port")
	policy := f.String("policy", "", "without a file: the `POLICY`, such as MAGLEV (default ROUND_ROBIN)")
	rest, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	path, err := oneFile(*file, rest)
	if err != nil {
		return err
	}
	flagged := f.set("listen") || f.set("to") || f.set("policy")
	switch {
	case path != "" && flagged:
		return usageError("a file and --listen, --to, --policy exclude each other")
	case path != "":
		return c.runFile(path)
	case *listen == "" || *to == "":
		return usageError("it takes a file, or --listen and --to")
	}
	cfg, err := config.FromFlags(*listen, strings.Split(*to, ","), *policy)
	if err != nil {
		return usageError(err.Error())
	}
	return c.serve(cfg, nil)
}

func (c *console) runFile(path string) error {
	cfg, err := load(path)
	if err != nil {
		return err
	}
	return c.serve(cfg, func() (*config.Config, error) { return config.Load(path) })
}

// serve runs the proxy that cfg describes until a signal ends it. load is for
// reloads, or nil.
func (c *console) serve(cfg *config.Config, load func() (*config.Config, error)) error {
	signals, end := c.signals()
	defer end()
	sockets, err := systemd.Sockets()
	if err != nil {
		return err
	}
	a, err := app.New(cfg, app.Options{
		Load: load, LogTo: c.err, Version: thisBuild().Version,
		Sockets: sockets, Heir: c.heir, Successor: successor(), Manager: systemd.FromEnvironment(),
	})
	if err != nil {
		return err
	}
	log := a.Log()
	for _, l := range cfg.Listeners {
		log.Info("listening", "listener", l.Name, "protocol", l.Protocol, "address", a.ListenAddr(l.Name).String())
	}
	if cfg.Admin != nil {
		log.Info("listening", "listener", "admin", "address", a.ListenAddr("admin").String())
	}

	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			if errors.Is(err, app.ErrUnread) {
				return c.tryToSay(err)
			}
			return err
		case s := <-signals:
			switch {
			case asksReload(s):
				_ = a.Reload() // which logs how it went
			case asksUpgrade(s):
				go func() { _, _ = a.Upgrade() }() // which logs how it went, and takes its time
			case ctx.Err() == nil:
				log.Info("stopping; a second signal stops at once", "signal", s.String())
				drain()
			default:
				log.Warn("stopping at once", "signal", s.String())
				a.Abort()
			}
		}
	}
}

// tryToSay reports an error where standard error may be what nobody reads: that
// must not keep the process from ending.
func (c *console) tryToSay(err error) error {
	said := make(chan struct{})
	go func() {
		defer close(said)
		c.report("run", err)
	}()
	select {
	case <-said:
	case <-time.After(time.Second):
	}
	return errSaid(exitFailure)
}
