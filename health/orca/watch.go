package orca

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	orcaservice "github.com/cncf/xds/go/xds/service/orca/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spillway-lb/spillway/health"
)

// Options say how endpoints are asked. They are plain data, comparable, and shared
// freely.
type Options struct {
	// Interval is how often reports are wanted, 10ms to 1m; endpoints may have a
	// longer one of their own, 30s in gRPC-Go. Default: 10s.
	Interval time.Duration
	// Port to ask instead of the serving port; 0: the serving port.
	Port int
	// TLS is not modified; an empty ServerName is the host in the address. nil: no
	// TLS.
	TLS *tls.Config
}

// DefaultInterval is that of Options.
const DefaultInterval = 10 * time.Second

// How long to wait before another stream: longer after each that brought nothing,
// up to the most.
const (
	firstPause = time.Second
	mostPause  = 2 * time.Minute
)

// shortestSilence is what a stream may be silent for, at least: three of the
// longest intervals that servers are known to insist on, and some.
const shortestSilence = 2 * time.Minute

// maxReport is how many bytes a report may have.
const maxReport = 64 << 10

// Validate reports everything that Watch would refuse o for.
func (o Options) Validate() error {
	var errs []error
	if i := o.interval(); i < 10*time.Millisecond || i > time.Minute {
		errs = append(errs, fmt.Errorf("orca: interval %v is not between 10ms and 1m", o.Interval))
	}
	if o.Port < 0 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("orca: port %d is not between 1 and 65535 (0: the serving port)", o.Port))
	}
	return errors.Join(errs...)
}

func (o Options) interval() time.Duration {
	if o.Interval == 0 {
		return DefaultInterval
	}
	return o.Interval
}

// silence is how long a stream may be silent before another one is tried.
func (o Options) silence() time.Duration { return max(3*o.interval(), shortestSilence) }

// Watch keeps a stream of reports from the endpoint at addr until ctx ends. It
// calls report for each, with what the endpoint reports of itself and of metrics,
// whose names are as health.LoadReport.Value takes them; and with an error for each
// report that is bad, a health.ErrLoadReport, and for each stream that ended or
// could not be had. It runs in the caller's goroutine, calls report on it, and
// returns ctx's error once everything it started is gone; or, at once, what
// Options.Validate says. A report is report's until it returns.
//
// The first stream is opened at a random point within the first second. The next,
// after one that brought a report, at once, but for a second; after others later
// and later, up to two minutes, give or take a tenth.
func Watch(ctx context.Context, o Options, addr string, metrics []string, report func(*health.LoadReport, error)) error {
	if err := o.Validate(); err != nil {
		return err
	}
	w := watch{Options: o, addr: addr, reader: newReader(metrics), report: report}
	timer := time.NewTimer(rand.N(firstPause))
	defer timer.Stop()
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		brought, err := w.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(nil, fmt.Errorf("orca: %w", err))
		if brought {
			pause = firstPause
		}
		timer.Reset(pause - pause/10 + rand.N(pause/5))
	}
}

// A watch is one endpoint's.
type watch struct {
	Options
	addr   string
	reader *reader
	report func(*health.LoadReport, error)
}

// stream opens a stream and reports what comes, until it ends. brought says
// whether anything came. Each stream has a connection of its own: what makes one
// end may well be the connection, and the pauses are ours.
func (w *watch) stream(ctx context.Context) (brought bool, err error) {
	conn, err := w.connect()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(w.silence(), func() { cancel(fmt.Errorf("nothing came for %v", w.silence())) })
	defer quiet.Stop()
	stream, err := orcaservice.NewOpenRcaServiceClient(conn).StreamCoreMetrics(ctx,
		&orcaservice.OrcaLoadReportRequest{ReportInterval: durationpb.New(w.interval())})
	if err != nil {
		return false, why(ctx, err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return brought, why(ctx, err)
		}
		brought = true
		quiet.Reset(w.silence())
		w.report(w.reader.read(message))
	}
}

// why is what ended a stream: we did, or what gRPC says.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if s, ok := status.FromError(err); ok {
		return fmt.Errorf("%s: %s", s.Code(), s.Message())
	}
	return err
}

// connect makes a connection that is dialed when it is used. No proxy of the
// environment has any business with it.
func (w *watch) connect() (*grpc.ClientConn, error) {
	network, target, err := health.Target(w.addr, w.Port)
	if err != nil {
		return nil, err
	}
	authority := target
	if network == "unix" {
		authority = "localhost" // a Unix socket's path is not a host
	}
	secured := insecure.NewCredentials()
	if w.TLS != nil {
		secured = credentials.NewTLS(w.TLS)
	}
	return grpc.NewClient("passthrough:///"+authority,
		grpc.WithTransportCredentials(secured),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, target)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReport)),
		grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent("spillway"),
	)
}
