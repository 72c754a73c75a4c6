package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
)

// Options is how to look. Zero values are the defaults.
type Options struct {
	// Duration is how long the proxy is watched. Default: 10s.
	Duration time.Duration
	// Readings is how often it is asked meanwhile, at least twice. Default: 9.
	Readings int
	// ProbeTimeout is how long an endpoint may take to accept a connection, and how long
	// at the least to answer: it has until Duration is over. Default: 3s.
	ProbeTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Duration <= 0 {
		o.Duration = 10 * time.Second
	}
	if o.Readings < 2 {
		o.Readings = 9
	}
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 3 * time.Second
	}
	return o
}

// Gather watches the proxy that the client talks to, and connects to those of its
// endpoints that are not known to be ill. file may be nil. The error is the client's.
func Gather(ctx context.Context, client *admin.Client, file *config.Config, o Options) (*Facts, error) {
	o = o.withDefaults()
	f := &Facts{File: file}
	first, err := read(ctx, client, true)
	if err != nil {
		return nil, err
	}
	f.Readings = append(f.Readings, first)

	ctx, stop := context.WithCancel(ctx)
	var probing sync.WaitGroup
	defer probing.Wait()
	defer stop()
	until := time.Now().Add(o.Duration)
	probing.Go(func() { f.Probes = probeAll(ctx, f.targets(&first), o.ProbeTimeout, until) })

	ticks := time.NewTicker(o.Duration / time.Duration(o.Readings-1))
	defer ticks.Stop()
	for len(f.Readings) < o.Readings {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n := len(f.Readings)
		next, err := read(ctx, client, n == o.Readings/2 || n == o.Readings-1)
		if err != nil {
			return nil, err
		}
		f.Readings = append(f.Readings, next)
	}
	probing.Wait()
	return f, nil
}

// read asks once, whole or for services only: what the proxy tells of its machine
// takes a look at every socket there, of which there may be very many.
func read(ctx context.Context, client *admin.Client, whole bool) (r Reading, err error) {
	r.Services, err = client.Services(ctx)
	r.At = time.Now()
	if err != nil || !whole {
		return r, err
	}
	p, err := client.Proxy(ctx)
	var refused *admin.Problem
	switch {
	case err == nil:
		r.Proxy = &p
	case !errors.As(err, &refused):
		return r, err
	} // else it is a proxy that does not tell
	return r, nil
}

// targets are the endpoints to probe: those that ought to answer. One that was not
// checked yet may turn out to.
func (f *Facts) targets(r *Reading) (all []target) {
	for i := range r.Services {
		s := &r.Services[i]
		like := target{protocol: s.Protocol}
		if spec := f.service(s.Name); spec != nil {
			if spec.HealthCheck != nil {
				like.host = spec.HealthCheck.Host
			}
			if spec.TLS != nil {
				like.tlsName, like.certs = spec.TLS.Name, certificates(spec.TLS)
			}
		}
		if like.protocol == "UDP" {
			continue
		}
		for _, e := range endpoints(s) {
			if r.Proxy != nil && ownListener(r.Proxy, e.Address) != nil {
				continue // what a loop makes of one request is for nobody to try
			}
			if (e.Health == "HEALTHY" || e.Health == "UNKNOWN") && e.Admin == "READY" {
				t := like
				t.ProbeKey, t.addr = ProbeKey{s.Name, e.ID}, e.Address
				all = append(all, t)
			}
		}
	}
	return all
}

// certificates is what a service shows endpoints that ask who it is.
func certificates(t *config.ServiceTLS) []tls.Certificate {
	pair, err := tls.X509KeyPair(t.Cert, t.Key)
	if err != nil { // none: the file has been checked
		return nil
	}
	return []tls.Certificate{pair}
}
