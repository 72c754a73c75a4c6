package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/handover"
	"github.com/spillway-lb/spillway/internal/systemd"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// Options is what New takes beside the file.
type Options struct {
	// Load reads the file again. Default: none, and then Reload is refused.
	Load func() (*config.Config, error)
	// Log gets what happens. Its handler must not block, see [proxy.LogWriter].
	// Default: made from the file's [log], to LogTo.
	Log *slog.Logger
	// LogTo is where that goes. It may be slow: nobody waits for it but Run, at
	// the end. Default: standard error.
	LogTo io.Writer
	// CookieKey seals strong cookies where the file has no keys, see App.CookieKey.
	// Default: a random one.
	CookieKey *affinity.Key
	// Version is shown by the metric build_info.
	Version string
	// Sockets are open already: listeners whose they are take them, and New closes what
	// is left. Default: none.
	Sockets []handover.Socket
	// Heir is this process as the successor of another, whose place it takes in Run.
	// Default: nobody's.
	Heir *handover.Heir
	// Manager is told how the process is. Default: none, and nil is one that wants to
	// know nothing.
	Manager *systemd.Manager
	// Successor returns the command that is to take this process's place. Default:
	// none, and then Upgrade is refused.
	Successor func() (*exec.Cmd, error)
}

// An App is a running proxy: the objects that a file describes.
type App struct {
	opt     Options
	log     *logs
	pools   *proxyhttp.Pools
	prober  *health.Prober // of all services
	loops   *proxy.Loops   // nil: none
	admin   *adminServer   // nil: none
	tasks   tasks
	since   time.Time     // when it was made
	ready   atomic.Bool   // the first round of health checks is over
	checked chan struct{} // closed then
	ending  atomic.Bool   // draining

	reloading sync.Mutex // held by a reload from the file to the swap
	upgrading atomic.Bool
	replaced  atomic.Bool // by another process
	words     words
	reloads   struct{ ok, failed atomic.Uint64 }

	inherited map[string][]discovery.Endpoint // what a predecessor's groups had found

	cookieKey affinity.Key // does not change once traffic flows

	mu        sync.Mutex         // held while the running state changes
	cfg       *config.Config     // nil until the first is in place
	loaded    time.Time          // when that was
	finders   map[string]*finder // by group
	services  []*service
	listeners []*listener
	leaving   []*listener               // removed by a reload; they drain
	retired   []*service                // likewise
	faces     map[string]*proxy.Service // of the services, as the engines see them
	pool      []handover.Socket
}

// New builds what cfg describes and opens every listener, so that what cannot
// work is known before anything runs.
func New(cfg *config.Config, o Options) (*App, error) {
	log, err := newLogs(cfg, &o)
	if err != nil {
		return nil, err
	}
	a := &App{opt: o, log: log, pools: new(proxyhttp.Pools), prober: new(health.Prober), checked: make(chan struct{}), since: time.Now(), pool: slices.Clone(o.Sockets)}
	a.cookieKey = affinity.NewKey()
	if o.CookieKey != nil {
		a.cookieKey = *o.CookieKey
	}
	if o.Heir != nil {
		a.pool = append(a.pool, o.Heir.Sockets...)
		a.upgrading.Store(true) // until Run has taken its predecessor's place
		var first outset
		if err := o.Heir.Known(&first); err != nil {
			log.Warn("what the other process has found is not known", "error", err)
		}
		a.inherited = first.Found
	}
	err = a.openLoops(&cfg.Proxy)
	if err == nil {
		err = a.apply(cfg, a.findersFor(cfg))
	}
	if err == nil && cfg.Admin != nil {
		a.admin, err = a.newAdmin(cfg.Admin)
	}
	if o.Heir == nil {
		a.closePool()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close closes what New opened. It is for an App that is not run.
func (a *App) Close() error {
	errs := []error{a.closeListeners()}
	if a.loops != nil {
		ended, end := context.WithCancel(context.Background())
		end()
		errs = append(errs, a.loops.Run(ended))
	}
	return errors.Join(append(errs, a.log.start()())...)
}

// Run serves until ctx ends. Then it drains: listeners close, connections get
// the file's drain_timeout to end, and when all are gone and the logs are
// written Run returns nil. An error that stops a part of the proxy stops all of
// it and is returned, as is one that loses the end of a log. Logs that cannot
// be written for ten seconds are given up: then a goroutine is left behind.
func (a *App) Run(ctx context.Context) error {
	// Three lives: traffic ends first, then what traffic needs with the admin
	// API, so that a drain can be watched, and the logs last.
	finishLogs := a.log.start()
	a.tasks.begin(ctx)
	a.warn()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.pools.Run(background) })
	wg.Go(func() { _ = a.prober.Run(background) })
	wg.Go(func() { a.watchReady(background) })
	if a.loops != nil {
		wg.Go(func() { _ = a.loops.Run(background) })
	}

	a.mu.Lock()
	for _, s := range a.services {
		s.start(background, &wg, a.hasDrained)
	}
	a.tasks.background, a.tasks.backgroundGroup = background, &wg
	a.startFinders()
	a.mu.Unlock()
	if err := a.awaitTurn(); err != nil {
		a.tasks.fail(err)
		a.closeListeners()
	} else {
		a.startListeners(background, &wg)
		a.takeOver()
		a.tellReady()
		wg.Go(func() { a.tellAlive(background) })
	}

	<-a.tasks.ctx.Done()
	a.mu.Lock()
	a.ending.Store(true) // no reload starts anything from here on
	a.tellStopping()
	a.log.Info("draining", "timeout", a.cfg.Proxy.DrainTimeout.String())
	a.mu.Unlock()
	err := a.tasks.wait()

	stopBackground()
	wg.Wait()
	return errors.Join(err, finishLogs())
}

// startListeners begins to serve. Who comes may have come before: the sockets have been
// open since New.
func (a *App) startListeners(background context.Context, wg *sync.WaitGroup) {
	if a.admin != nil {
		wg.Go(func() { a.tasks.fail(a.admin.Serve(background)) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.listeners {
		if l.stop == nil { // a reload may have come first
			l.start(&a.tasks, a.hasLeft)
		}
	}
}

// closeListeners closes what was opened and is not served.
func (a *App) closeListeners() error {
	var errs []error
	for _, l := range a.listeners {
		errs = append(errs, l.Close())
	}
	if a.admin != nil {
		errs = append(errs, a.admin.listener.Close())
	}
	handover.Close(a.pool)
	return errors.Join(errs...)
}

// openLoops makes the event loops, if the file wants any.
func (a *App) openLoops(p *config.Proxy) (err error) {
	if p.Engine == "loop" {
		a.loops, err = proxy.NewLoops(p.Loops, a.log.Logger)
	}
	return err
}

// hasLeft forgets a listener that was removed by a reload and has drained.
func (a *App) hasLeft(l *listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaving = slices.DeleteFunc(a.leaving, func(other *listener) bool { return other == l })
}

// hasDrained forgets a service that was removed by a reload and has drained.
func (a *App) hasDrained(s *service) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retired = slices.DeleteFunc(a.retired, func(other *service) bool { return other == s })
}

// Abort cuts every connection at once. It is for the operator who does not want
// to wait for a drain.
func (a *App) Abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range slices.Concat(a.listeners, a.leaving) {
		l.engine.Abort()
	}
}

// Balancer returns a service's balancer, or nil.
func (a *App) Balancer(service string) *lb.Balancer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.service(service); s != nil {
		return s.balancer
	}
	return nil
}

// ListenAddr returns where a listener, or "admin", listens, or nil.
func (a *App) ListenAddr(name string) net.Addr {
	if name == "admin" && a.admin != nil {
		return a.admin.listener.Addr()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.listeners {
		if l.spec.Name == name {
			return l.LocalAddr()
		}
	}
	return nil
}

// CookieKey is the key of strong cookies where the file has none: secret, and for a
// process that takes over from this one, by Options.CookieKey.
func (a *App) CookieKey() affinity.Key { return a.cookieKey }

// Log returns the log that the file asks for, or Options.Log.
func (a *App) Log() *slog.Logger { return a.log.Logger }

// isReady says whether the proxy should get traffic, and why not.
func (a *App) isReady() (bool, string) {
	switch {
	case a.ending.Load():
		return false, "draining"
	case !a.ready.Load():
		return false, "the first round of health checks is not over"
	}
	return true, ""
}

// watchReady notes when every endpoint has been checked once. Endpoints that
// come later do not make the proxy unready again.
func (a *App) watchReady(ctx context.Context) {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for !a.allChecked() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	a.ready.Store(true)
	close(a.checked)
}

func (a *App) allChecked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.services {
		if !s.balancer.Checked() {
			return false
		}
	}
	return true
}

// service finds a service by name. Caller holds a.mu.
func (a *App) service(name string) *service {
	for _, s := range a.services {
		if s.spec.Name == name {
			return s
		}
	}
	return nil
}
