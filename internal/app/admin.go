package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// adminServer is the admin API with its open address.
type adminServer struct {
	*admin.Server
	listener net.Listener
	shared   bool            // a service manager has the socket, too
	replaced context.Context // ends when another process serves
	replace  context.CancelFunc
}

// Serve serves until ctx ends, or another process does.
func (s *adminServer) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.replaced, stop)()
	return s.Server.Serve(ctx, s.listener)
}

// handOver leaves the address to another process. Requests under way have 3 s.
func (s *adminServer) handOver() {
	s.keepPath(true)
	s.replace()
}

// keepPath says whether a Unix socket's path is to stay when the listener is closed.
func (s *adminServer) keepPath(keep bool) {
	if u, ok := s.listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(!keep)
	}
}

func (a *App) newAdmin(cfg *config.Admin) (*adminServer, error) {
	token, err := readToken(cfg.TokenFile)
	if err != nil {
		return nil, err
	}
	l, shared, err := a.openAdmin(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	server := admin.NewServer(admin.Options{
		Services:  a.adminServices,
		Proxy:     a.adminProxy,
		SetAdmin:  a.setAdmin,
		CutNow:    a.cutNow,
		SetScaler: a.setScaler,
		Explain:   a.explain,
		Reload:    a.Reload,
		Upgrade:   a.upgradeOrNil(),
		Ready:     a.isReady,
		Gatherer: metrics.NewRegistry(metrics.Source{
			Services:  a.metricServices,
			Listeners: a.metricListeners,
			Findings:  a.metricFindings,
			Reloads:   func() (uint64, uint64) { return a.reloads.ok.Load(), a.reloads.failed.Load() },
			Dropped:   a.log.dropped,
			Version:   a.opt.Version,
		}),
		Token: token,
		Pprof: cfg.Pprof,
		Log:   a.log.Logger,
	})
	s := &adminServer{Server: server, listener: l, shared: shared}
	s.replaced, s.replace = context.WithCancel(context.Background())
	return s, nil
}

// readToken reads the token that admin requests must carry; "" is none.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("admin: token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("admin: token_file: %s is empty", path)
	}
	return token, nil
}

func (a *App) setAdmin(service, endpoint string, word lb.Admin) error {
	b := a.Balancer(service)
	if b == nil {
		return fmt.Errorf("there is no service %q", service)
	}
	return a.words.say(func() error { return b.SetAdmin(endpoint, word) })
}

// setScaler scales a group; nil: as the file has it.
func (a *App) setScaler(service, group string, scaler *float64) error {
	b := a.Balancer(service)
	switch {
	case b == nil:
		return fmt.Errorf("there is no service %q", service)
	case scaler == nil:
		return a.words.say(func() error { return b.ResetScaler(group) })
	}
	return a.words.say(func() error { return b.SetScaler(group, *scaler) })
}

func (a *App) metricServices() []metrics.Service {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]metrics.Service, len(a.services))
	for i, s := range a.services {
		out[i] = metrics.Service{Name: s.spec.Name, Balancer: s.balancer, Stats: s.stats}
	}
	return out
}

func (a *App) metricListeners() []metrics.Listener {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]metrics.Listener, len(a.listeners))
	for i, l := range a.listeners {
		out[i] = metrics.Listener{Name: l.spec.Name, Connections: l.Active(), TLS: l.metricTLS()}
		if d, ok := l.door.(*proxy.Listener); ok && l.spec.ProxyProtocol {
			out[i].Headers = d.Headers()
		}
		if l.tcp != nil {
			out[i].TCP = l.tcp.Counters()
		}
		if l.udp != nil {
			out[i].UDPDrops = l.udp.Drops()
		}
	}
	return out
}

func (a *App) metricFindings() (out []metrics.Finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, f := range a.finders {
		out = append(out, metrics.Finding{Group: name, Counters: &f.watcher.Counters, Endpoints: len(f.watcher.Endpoints())})
	}
	return out
}
