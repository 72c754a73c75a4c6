package admin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-lb/spillway/lb"
)

// Options are the proxy as the server sees it. The functions are called from
// many goroutines at once, also during a reload. A nil one is a thing that this
// proxy cannot do, and the API says so with 501.
type Options struct {
	// Services lists the services in the order of the file, and then those that have
	// left it and still have traffic.
	Services func() []Service
	// Proxy tells of the proxy as a whole.
	Proxy func() ProxyStatus
	// SetAdmin sets the operator's word on an endpoint. An error means that
	// there is no such service or endpoint, and becomes a 404.
	SetAdmin func(service, endpoint string, a lb.Admin) error
	// CutNow cuts at once what is under way to an endpoint that the operator has taken
	// out, or that was removed. It reports whether there is such a one.
	CutNow func(service, endpoint string) bool
	// SetScaler sets a group's capacity scaler, which is 0 or from 0.1 to 1; nil
	// stands for the file's own. The service and the group are there; an error means
	// that it cannot be so now, and becomes a 409.
	SetScaler func(service, group string, scaler *float64) error
	// Explain says whom a service would choose for a request. ErrNoService becomes
	// a 404, another error a 400.
	Explain func(service string, q Question) (Explanation, error)
	// Reload reads the file again and returns when it is in effect. An error
	// means that nothing has changed, and becomes a 422 with its text.
	Reload func() error
	// Upgrade starts the process that is to take this one's place, and returns its id
	// once it serves. An error means that nothing has changed, and becomes a 409 with
	// its text.
	Upgrade func() (pid int, err error)
	// Ready reports whether the proxy takes traffic, else why not. Default:
	// always.
	Ready func() (ok bool, why string)
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Token is what requests must carry; "" wants none.
	Token string
	// Pprof serves /debug/pprof/.
	Pprof bool
	// Log gets a line for every change that somebody asks for. Default: none.
	Log *slog.Logger
}

// A Service is what the server is told of one service.
type Service struct {
	// Policy, Affinity and Protocol are the file's words, such as "MAGLEV",
	// "HTTP_COOKIE", "HTTP".
	Policy, Affinity, Protocol string
	// KeepsSessions: strong ones stay with an endpoint that is drained.
	KeepsSessions bool
	// Sources and Keys say how traffic is spread over client addresses and over the
	// keys that hash policies go by; nil: nothing is known.
	Sources, Keys *SpreadStatus
	// Attempts counts tries on endpoints by how they ended, and SourceFallbacks the
	// connections that came from the proxy's address although the file wants the
	// client's, by the reason.
	Attempts, SourceFallbacks map[string]uint64
	// Unusable says, by group, what is wrong with endpoints that were found and cannot
	// be used.
	Unusable map[string][]string
	// Overflows counts who was turned away because of a limit, AffinityResults what became
	// of affinity, by their names, and Loops the requests that go in circles.
	Overflows, AffinityResults map[string]uint64
	Loops                      uint64
	// Status is the rest, with the service's name.
	Status lb.Status
	// Retired: it has left the file, and only its Held means something, and its name.
	Retired bool
	// Held is what endpoints hold that take nothing new or are gone. nil: nobody knows
	// more than Status.
	Held []Held
}

// withDefaults fills in what needs no proxy.
func (o Options) withDefaults() Options {
	if o.Ready == nil {
		o.Ready = func() (bool, string) { return true, "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// printer is fasthttp's idea of a log. What it has to say is about single
// connections.
type printer struct{ log *slog.Logger }

func (p printer) Printf(format string, args ...any) {
	if p.log.Enabled(context.Background(), slog.LevelDebug) {
		p.log.Debug("admin API: " + fmt.Sprintf(format, args...))
	}
}
