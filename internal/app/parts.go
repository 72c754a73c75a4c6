package app

import (
	"context"
	"net"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
	"github.com/spillway-lb/spillway/proxy/tcp"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
	"github.com/spillway-lb/spillway/proxy/udp"
)

// A service is the live part of one service: it keeps its identity, and with it
// counters and health, as long as a file has a service of that name.
type service struct {
	spec     config.Service
	groups   []lb.Group
	zonal    lb.ZonalAffinity
	zones    []capacity.Zone
	here     capacity.Place
	balancer *lb.Balancer
	stats    *proxy.Stats
	tracker  *proxy.Tracker
	sessions proxy.Sessions // of TCP, where the file wants them
	tls      endpointTLS
	loads    *loadWatches
	source   *proxy.ClientSource // nil: none

	complaints string              // about endpoints that were found
	unusable   map[string][]string // those about single ones, by group
	cancel     context.CancelFunc  // nil: not started
}

// newService makes a service that nobody uses yet.
func newService(spec *config.Service, o lb.Options) (*service, error) {
	b, err := lb.New(o)
	if err != nil {
		return nil, err
	}
	s := &service{balancer: b, stats: new(proxy.Stats)}
	s.describe(spec, o)
	return s, nil
}

// start runs the balancer and the tracker, which may outlive it. left is called when
// the tracker has nothing more to watch over.
func (s *service) start(ctx context.Context, wg *sync.WaitGroup, left func(*service)) {
	wg.Go(func() {
		defer left(s)
		_ = s.tracker.Run(ctx)
	})
	balancing, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	wg.Go(func() { _ = s.balancer.Run(balancing) })
	wg.Go(func() { s.loads.run(balancing) })
}

// retire lets connections drain, and stops the balancer once the exchanges that still know it have had time
// to end.
func (s *service) retire(after time.Duration) {
	s.tracker.Retire()
	if s.cancel != nil {
		time.AfterFunc(after, s.cancel)
	}
}

// update takes over a new description. What has not changed is left alone: a
// rebuilt table would cost time, and forget what its shares have been so far.
func (s *service) update(spec *config.Service, o lb.Options) error {
	if reflect.DeepEqual(s.spec, *spec) && reflect.DeepEqual(s.groups, o.Groups) && s.zonal == o.ZonalAffinity &&
		s.here == o.Here && slices.Equal(s.zones, o.Zones) {
		return nil
	}
	s.describe(spec, o)
	return s.balancer.SetOptions(o)
}

// describe notes what the balancer is made of.
func (s *service) describe(spec *config.Service, o lb.Options) {
	s.spec, s.groups, s.zonal, s.here, s.zones = *spec, o.Groups, o.ZonalAffinity, o.Here, o.Zones
}

// A listener is an open address with its engine. It keeps both as long as a
// file has a listener of that name and address.
type listener struct {
	door
	spec   config.Listener
	engine aborter
	http   *proxyhttp.Engine // all but one of the three are nil
	tcp    *tcp.Engine
	udp    *udp.Listener
	tls    *tlsfront.Engine // in front of one of the other two; nil: clients speak no TLS
	stop   context.CancelFunc

	onLoops bool // its connections live on event loops
	shared  bool // a service manager has its sockets, too
}

// A door is a proxy.Listener, or one for datagrams.
type door interface {
	Listen() error
	LocalAddr() net.Addr
	Active() int64
	Serve(context.Context) error
	Close() error
	Files() ([]*os.File, error)
	HandOver()
}

// An aborter cuts everything at once.
type aborter interface{ Abort() }

// newListener opens the address.
func (a *App) newListener(cfg *config.Config, spec *config.Listener) (*listener, error) {
	drain := time.Duration(cfg.Proxy.DrainTimeout)
	l := &listener{spec: *spec}
	files, shared := a.takeSockets(wantOf(spec))
	l.shared = shared
	if spec.Protocol == "UDP" {
		a.newUDP(l, drain, files)
		return l, a.openUDP(l)
	}
	var engine proxy.Engine
	loops := a.loopsFor(cfg, spec)
	l.onLoops = loops != nil
	if !spec.IsHTTP() {
		l.tcp = tcp.New(tcp.Options{Listener: spec.Name, Loops: loops, Log: a.log.Logger, Access: a.log.access})
		engine = l.tcp
	} else {
		l.http = proxyhttp.New(proxyhttp.Options{Listener: spec.Name, Loops: loops, Pools: a.pools, Access: a.log.access, Log: a.log.Logger})
		engine = l.http
	}
	engine = l.behindTLS(a, engine)
	l.engine = engine
	l.door = &proxy.Listener{
		Name:           spec.Name,
		Addr:           spec.Listen,
		Engine:         engine,
		MaxConnections: spec.MaxConnections,
		Transparent:    spec.Transparent,
		DrainTimeout:   drain,
		Sockets:        files,
		Shared:         shared || a.opt.Heir != nil, // until it is ours
		Log:            a.log.Logger,
	}
	return l, l.Listen()
}

// configure makes the listener send its traffic to these services. settings is
// nil but for HTTP, material without TLS.
func (l *listener) configure(spec *config.Listener, services map[string]*proxy.Service, settings *proxyhttp.Settings, material *tlsfront.Material) {
	if l.tls != nil {
		l.tls.Use(material)
	}
	switch {
	case l.udp != nil:
		l.udp.SetService(services[spec.Service])
	case l.tcp != nil:
		l.tcp.SetSettings(tcpSettings(spec, services))
	default:
		l.http.SetSettings(settings)
	}
	l.spec = *spec
}

// start serves until the listener is told to leave, or all are. left is called when
// its last connection has ended.
func (l *listener) start(t *tasks, left func(*listener)) {
	l.stop = t.run(func(ctx context.Context) error {
		defer left(l)
		return l.serve(ctx)
	})
}

func (l *listener) serve(ctx context.Context) error {
	if l.tls != nil {
		return l.serveTLS(ctx)
	}
	return l.Serve(ctx)
}

// leave closes the address and makes the connections drain, if it has any yet.
// When it returns, the address is free for another listener; that of a UDP
// listener when its last session has ended, or another wants it.
func (l *listener) leave() (drains bool) {
	if l.stop != nil {
		l.stop()
	}
	_ = l.Close() // Serve does so, too, but in its own time
	return l.stop != nil
}
