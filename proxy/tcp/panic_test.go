package tcp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// A trap panics at a line of the log, as code of others may that we call.
type trap struct {
	slog.Handler
	line string
	once *atomic.Bool
}

func newTrap(h slog.Handler, line string) trap { return trap{h, line, new(atomic.Bool)} }

func (h trap) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.line && !h.once.Swap(true) {
		panic("trapped: " + h.line)
	}
	return h.Handler.Handle(ctx, r)
}

func (h trap) WithAttrs(a []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(a)
	return h
}

// A panicker is a policy that panics once.
type panicker struct {
	balance.Picker
	once atomic.Bool
}

func (p *panicker) Pick(r balance.Request) *balance.Endpoint {
	if !p.once.Swap(true) {
		panic("trapped: pick")
	}
	return p.Picker.Pick(r)
}

// vain is a bench that has an endpoint after the panic only.
func vain(b *bench) *bench {
	b.after = func() {
		must(b.T, b.service.Balancer.SetEndpoints([]balance.Endpoint{{Addr: endpoint(b.T, echo)}}))
	}
	return b
}

// Whatever panics ends one connection, and leaves nothing of it behind.
func TestAPanicEndsOneConnectionAtWhateverStage(t *testing.T) {
	stages := map[string]func(*testing.T, driver) *bench{
		"pick": func(t *testing.T, d driver) *bench {
			return setup(t, d, func(s *proxy.Service) {
				policy := func(c []balance.Candidate) balance.Picker {
					return &panicker{Picker: balance.RoundRobin()(c)}
				}
				must(t, s.Balancer.SetOptions(lb.Options{Policy: policy, Endpoints: []balance.Endpoint{{Addr: endpoint(t, echo)}}}))
			})
		},
		"dial": func(t *testing.T, d driver) *bench {
			if d == stream {
				t.Skip("package net would lose the socket")
			}
			h := newTrap(slog.NewTextHandler(io.Discard, nil), "the client's address is not kept")
			return setup(t, d, func(s *proxy.Service) {
				s.Source = proxy.NewClientSource("test", s.Stats, proxy.NewLimitedLog(slog.New(h), 10), nil)
			}, endpoint(t, echo))
		},
		"dial of a name": func(t *testing.T, d driver) *bench {
			wrap := func(h slog.Handler) slog.Handler { return newTrap(h, "connect failed") }
			return vain(setupLog(t, d, nil, wrap, fmt.Sprint("localhost:", port(nobody(t)))))
		},
		"dial in vain": func(t *testing.T, d driver) *bench {
			wrap := func(h slog.Handler) slog.Handler { return newTrap(h, "connect failed") }
			return vain(setupLog(t, d, nil, wrap, nobody(t)))
		},
		"refusal": func(t *testing.T, d driver) *bench {
			wrap := func(h slog.Handler) slog.Handler { return newTrap(h, "no endpoint") }
			b := setupLog(t, d, nil, wrap, endpoint(t, echo))
			down := *b.service
			balancer, err := lb.New(lb.Options{Policy: balance.RoundRobin()})
			must(t, err)
			down.Balancer = balancer
			b.engine.SetService(&down)
			b.after = func() { b.engine.SetService(b.service) }
			return b
		},
		"name": func(t *testing.T, d driver) *bench {
			wrap := func(h slog.Handler) slog.Handler { return newTrap(h, "no route") }
			b := setupLog(t, d, nil, wrap, endpoint(t, echo))
			b.engine.SetSettings(&tcp.Settings{Routes: proxy.NewRoutes(nil, nil)})
			b.after = func() { b.engine.SetService(b.service) }
			return b
		},
	}
	for stage, prepare := range stages {
		t.Run(stage, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				b := prepare(t, d)
				if c, err := net.Dial("tcp", b.addr); err == nil { // else it is reset already
					defer c.Close()
					if _, err := io.WriteString(c, "no ClientHello"); err == nil { // else that was told
						wantReset(t, c)
					}
				}
				testkit.Eventually(t, func() bool { return b.listener.Active() == 0 })
				if _, _, active := b.load(); active != 0 || b.engine.Active() != 0 {
					t.Errorf("%d leases and %d connections are left", active, b.engine.Active())
				}
				if b.after != nil {
					b.after()
				}
				c := b.dial()
				io.WriteString(c, "x")
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Errorf("the next client: %v", err)
				}
				c.Close()
				if r := b.settled(); len(r) != 2 || r[0]["cause"] != "proxy_internal_error" || r[1]["cause"] != "" {
					t.Errorf("records %v", r)
				}
				if log := b.log.String(); !strings.Contains(log, "trapped: ") {
					t.Errorf("the log does not say so: %s", log)
				}
			})
		})
	}
}
