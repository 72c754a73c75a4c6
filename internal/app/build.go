package app

import (
	"errors"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

// parts are the objects that a file describes: those that are there already,
// and new ones that nobody uses yet. The slices go with the file's.
type parts struct {
	cfg       *config.Config
	finders   map[string]*finder
	found     *config.Config // cfg with the endpoints that they know
	services  []*service
	options   []lb.Options
	secured   []endpointTLS
	faces     map[string]*proxy.Service // as the engines see them
	listeners []*listener
	settings  []*proxyhttp.Settings
	materials []*tlsfront.Material
	headers   []*proxy.ProxyHeaders
	opened    []*listener // those of listeners that are new
}

// build makes the new objects and finds the old ones that stay.
func (a *App) build(cfg *config.Config, finders map[string]*finder) (*parts, error) {
	p := &parts{cfg: cfg, finders: finders, found: withFound(cfg, finders), faces: make(map[string]*proxy.Service)}
	for i := range cfg.Services {
		if err := a.buildService(p, &cfg.Services[i]); err != nil {
			return p, err
		}
	}
	for i := range cfg.Listeners {
		if err := a.buildListener(p, &cfg.Listeners[i]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (a *App) buildService(p *parts, spec *config.Service) error {
	o, err := balancerOptions(p.found, spec, a.log.Logger)
	if err != nil {
		return err
	}
	s := a.service(spec.Name)
	secured, err := endpointTLSOf(spec, s)
	if err != nil {
		return err
	}
	o.Prober = a.prober
	if o.HealthCheck != nil {
		secured.checks = a.sharedTLS(p, spec, s, secured.checks)
		o.HealthCheck.TLS = secured.checks
	}
	if s != nil {
		err = o.Validate()
	} else {
		s, err = newService(spec, o)
	}
	if err != nil {
		return err
	}
	face, err := proxyService(p.cfg, spec, s.balancer, s.stats, a.cookieKey)
	if err != nil {
		return err
	}
	face.TLS = secured.traffic
	if face.Source, err = sourceOf(p.found, spec, s.stats, a.log.Logger); err != nil {
		return err
	}
	if face.Tracking.PerSession && spec.Protocol != "UDP" { // which keeps its own
		face.Sessions = &s.sessions
	}
	if s.loads == nil {
		s.loads = newLoadWatches(spec.Name, s.balancer, s.stats, a.log.Logger)
	}
	if s.tracker == nil {
		s.tracker = a.newTracker(s, face.Tracking)
	}
	p.services = append(p.services, s)
	p.options = append(p.options, o)
	p.secured = append(p.secured, secured)
	p.faces[spec.Name] = face
	return nil
}

func (a *App) buildListener(p *parts, spec *config.Listener) error {
	var settings *proxyhttp.Settings
	if spec.IsHTTP() {
		var err error
		if settings, err = httpSettings(spec, p.faces); err != nil {
			return err
		}
	}
	material, err := readTLS(spec)
	if err != nil {
		return err
	}
	headers, err := headersOf(spec)
	if err != nil {
		return err
	}
	l := a.listenerAt(spec)
	if l == nil {
		if l, err = a.newListener(p.cfg, spec); err != nil {
			return err
		}
		p.opened = append(p.opened, l)
	}
	p.listeners = append(p.listeners, l)
	p.settings = append(p.settings, settings)
	p.materials = append(p.materials, material)
	p.headers = append(p.headers, headers)
	return nil
}

func (a *App) listenerAt(spec *config.Listener) *listener {
	for _, l := range a.listeners {
		if l.spec.Listen == spec.Listen && l.spec.Name == spec.Name {
			return l
		}
	}
	return nil
}

// discard closes what build opened.
func (p *parts) discard() error {
	var errs []error
	for _, l := range p.opened {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
