package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tlsfront"
)

// readTLS reads the files that a listener's TLS needs, whether or not the listener
// is there already: they may have changed where the configuration has not. It
// returns nil for a listener without TLS.
func readTLS(l *config.Listener) (*tlsfront.Material, error) {
	if !l.IsTLS() {
		return nil, nil
	}
	m, err := tlsfront.Read(tlsSettings(l))
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	return m, nil
}

func tlsSettings(l *config.Listener) tlsfront.Settings {
	s := tlsfront.Settings{
		MinVersion:       tls.VersionTLS12,
		ClientCAFile:     l.TLS.ClientCAFile,
		HandshakeTimeout: time.Duration(l.ClientTimeout),
	}
	for _, c := range l.TLS.Certificates {
		s.Certificates = append(s.Certificates, tlsfront.Files{CertFile: c.CertFile, KeyFile: c.KeyFile})
	}
	if l.TLS.MinVersion == "1.3" {
		s.MinVersion = tls.VersionTLS13
	}
	switch l.TLS.ClientAuth {
	case "REQUEST":
		s.ClientAuth = tls.VerifyClientCertIfGiven
	case "REQUIRE":
		s.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return s
}

// behindTLS puts TLS in front of an engine, where the listener has it.
func (l *listener) behindTLS(a *App, engine proxy.Engine) proxy.Engine {
	if !l.spec.IsTLS() {
		return engine
	}
	l.tls = tlsfront.New(tlsfront.Options{
		Listener: l.spec.Name, Engine: engine, HTTP: l.http != nil, Log: a.log.Logger,
	})
	return l.tls
}

// serveTLS serves a listener, and looks after its files meanwhile.
func (l *listener) serveTLS(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { _ = l.tls.Run(ctx) })
	err := l.Serve(ctx)
	end()
	looking.Wait()
	return err
}

// loopsFor returns the event loops for a listener, nil where its clients speak TLS,
// or endpoints that it can reach do.
func (a *App) loopsFor(cfg *config.Config, l *config.Listener) *proxy.Loops {
	if l.IsTLS() || cfg.TLSServiceOf(l) != nil {
		return nil
	}
	return a.loops
}

// metricTLS is what there is to tell of the listener's TLS, nil if it has none.
func (l *listener) metricTLS() *metrics.TLS {
	if l.tls == nil {
		return nil
	}
	return &metrics.TLS{Counters: l.tls.Counters(), Certificates: l.tls.Certificates()}
}
