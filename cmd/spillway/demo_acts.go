package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How much traffic an act has.
const (
	sharesRequests    = 600
	sharesConnections = 150
	userRequests      = 30
	failoverInterval  = 5 * time.Millisecond
)

// A demoShare is one line of the table of shares.
type demoShare struct {
	Listener  string             `json:"listener"`
	Policy    string             `json:"policy"`
	Requests  int                `json:"requests"`
	Failed    int                `json:"failed"`
	Endpoints []demoEndpointPart `json:"endpoints"`
	// UserEndpoints is how many endpoints one user's requests reached; 0 for
	// TCP, which knows no users.
	UserEndpoints int `json:"user_endpoints"`
}

type demoEndpointPart struct {
	Endpoint string  `json:"endpoint"`
	Expected float64 `json:"share_expected"`
	Actual   float64 `json:"share_actual"`
}

// shares is the first act: who gets what part of the traffic by which policy.
func (d *demo) shares(ctx context.Context) error {
	d.show.sharesHead(d)
	for _, policy := range d.policies {
		all, err := volley(ctx, sharesRequests, func(ctx context.Context, i int) (string, error) {
			return d.traffic.get(ctx, demoPath(policy), fmt.Sprintf("user-%d", i))
		})
		if err != nil {
			return err
		}
		one, err := volley(ctx, userRequests, func(ctx context.Context, _ int) (string, error) {
			return d.traffic.get(ctx, demoPath(policy), "ann")
		})
		if err != nil {
			return err
		}
		if err := d.showShare(ctx, "http", policy, policy, all, len(one.answers)); err != nil {
			return err
		}
	}
	all, err := volley(ctx, sharesConnections, func(ctx context.Context, _ int) (string, error) {
		return d.traffic.connect(ctx)
	})
	if err != nil {
		return err
	}
	if err := d.showShare(ctx, "tcp", d.policy, "tcp", all, 0); err != nil {
		return err
	}
	d.show.sharesFoot()
	return nil
}

// showShare shows what the clients saw beside what the proxy says it should be.
func (d *demo) showShare(ctx context.Context, listener, policy, service string, got *tally, userEndpoints int) error {
	status, err := d.api.Service(ctx, service)
	if err != nil {
		return err
	}
	s := demoShare{Listener: listener, Policy: policy, Requests: got.total, Failed: got.failed, UserEndpoints: userEndpoints}
	for _, own := range d.endpoints {
		part := demoEndpointPart{Endpoint: own.name, Actual: got.share(own.name)}
		for _, g := range status.Groups {
			for _, e := range g.Endpoints {
				if e.ID == own.name {
					part.Expected = e.ShareExpected
				}
			}
		}
		s.Endpoints = append(s.Endpoints, part)
	}
	d.show.share(s)
	return nil
}

// demoFailover is what the second act found out.
type demoFailover struct {
	Endpoint string `json:"endpoint"`
	Reason   string `json:"reason"` // why the health check called it ill
	// Seconds since it was killed.
	Noticed   float64 `json:"noticed_seconds"`
	Revived   float64 `json:"revived_seconds"`
	Recovered float64 `json:"recovered_seconds"`
	// All requests of the act, and those that were not answered with 200.
	Requests int    `json:"requests"`
	Failed   int    `json:"failed"`
	Error    string `json:"error,omitempty"` // the last one's
}

// failover is the second act: an endpoint is killed and revived under traffic.
func (d *demo) failover(ctx context.Context) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	victim := d.endpoints[1]
	d.show.failoverHead(victim.name)

	var result tally
	var traffic sync.WaitGroup
	trafficCtx, endTraffic := context.WithCancel(ctx)
	defer traffic.Wait()
	defer endTraffic()
	traffic.Go(func() { d.traffic.pace(trafficCtx, failoverInterval, &result) })

	if err := sleep(ctx, 200*time.Millisecond); err != nil {
		return err
	}
	f := demoFailover{Endpoint: victim.name}
	killed := time.Now()
	since := func() float64 { return time.Since(killed).Seconds() }
	victim.kill()
	d.show.event(0, "%s is killed: its port is closed, its connections are cut", victim.name)

	reason, err := d.awaitHealth(ctx, victim.name, false)
	if err != nil {
		return err
	}
	f.Reason, f.Noticed = reason, since()
	d.show.event(f.Noticed, "the health check has noticed: %s", reason)
	if err := sleep(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	if err := victim.start(); err != nil {
		return err
	}
	f.Revived = since()
	d.show.event(f.Revived, "%s is back", victim.name)
	if _, err := d.awaitHealth(ctx, victim.name, true); err != nil {
		return err
	}
	f.Recovered = since()
	d.show.event(f.Recovered, "the health check has noticed: %s gets its share again", victim.name)
	if err := sleep(ctx, 200*time.Millisecond); err != nil {
		return err
	}

	endTraffic()
	traffic.Wait()
	f.Requests, f.Failed = result.total, result.failed
	if result.last != nil {
		f.Error = result.last.Error()
	}
	d.show.failover(f)
	return nil
}

// demoPatience is how long the demo waits for what should take half a second.
const demoPatience = 10 * time.Second

// ready waits until every endpoint has been checked once.
func (d *demo) ready(ctx context.Context) error {
	return poll(ctx, "the proxy did not get ready", func() (bool, error) {
		return d.api.Ready(ctx) == nil, nil
	})
}

// awaitHealth waits until an endpoint of "web" is healthy, or not, and returns
// the reason for the latter.
func (d *demo) awaitHealth(ctx context.Context, name string, healthy bool) (reason string, err error) {
	err = poll(ctx, "the health check did not notice", func() (bool, error) {
		s, err := d.api.Service(ctx, "web")
		if err != nil {
			return false, err
		}
		for _, e := range s.Groups[0].Endpoints {
			if e.ID == name {
				reason = e.Reason
				return (e.Health == "HEALTHY") == healthy, nil
			}
		}
		return false, fmt.Errorf("the proxy has lost %s", name)
	})
	return reason, err
}

// poll asks every few milliseconds until the answer is yes.
func poll(ctx context.Context, complaint string, ask func() (bool, error)) error {
	for deadline := time.Now().Add(demoPatience); time.Now().Before(deadline); {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New(complaint + " within " + demoPatience.String())
}

// sleep returns early, and with an error, when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
