package orca_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	orcaservice "github.com/cncf/xds/go/xds/service/orca/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/health/orca"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// An endpoint plays a script for each stream, the last one for all that follow.
type endpoint struct {
	orcaservice.UnimplementedOpenRcaServiceServer
	streams atomic.Int64
	wanted  atomic.Int64 // the interval that was asked for
	scripts []func(send func(*orcapb.OrcaLoadReport)) error
}

func (e *endpoint) StreamCoreMetrics(req *orcaservice.OrcaLoadReportRequest, s grpc.ServerStreamingServer[orcapb.OrcaLoadReport]) error {
	n := int(e.streams.Add(1)) - 1
	e.wanted.Store(int64(req.GetReportInterval().AsDuration()))
	return e.scripts[min(n, len(e.scripts)-1)](func(r *orcapb.OrcaLoadReport) { _ = s.Send(r) })
}

// serve runs the endpoint until the test ends.
func (e *endpoint) serve(t *testing.T, network, addr string, o ...grpc.ServerOption) net.Addr {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(o...)
	orcaservice.RegisterOpenRcaServiceServer(s, e)
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr()
}

// watch runs a watch until the test has seen enough.
func watch(t *testing.T, o orca.Options, addr string, report func(*health.LoadReport, error) (enough bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	done := false
	err := orca.Watch(ctx, o, addr, []string{"orca.cpu_utilization", "orca.named_metrics.gpu"}, func(r *health.LoadReport, err error) {
		if (r == nil) == (err == nil) {
			t.Errorf("a report %v, and an error %v", r, err)
		}
		if done = done || report(r, err); done {
			cancel()
		}
	})
	if !done || !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// half reports a CPU that is half used, and ends the stream.
func half(send func(*orcapb.OrcaLoadReport)) error {
	send(&orcapb.OrcaLoadReport{CpuUtilization: 0.5, MemUtilization: 0.25, RpsFractional: 7, NamedMetrics: map[string]float64{"gpu": 0, "other": 1}})
	return nil
}

func isHalf(r *health.LoadReport) bool {
	gpu, ok := r.Value("orca.named_metrics.gpu")
	return r.CPU == 0.5 && r.Memory == 0.25 && r.Application == -1 && r.RPS == 7 && r.EPS == -1 && len(r.Named) == 1 && gpu == 0 && ok
}

func TestReportsComeFromTheStream(t *testing.T) {
	e := &endpoint{scripts: []func(func(*orcapb.OrcaLoadReport)) error{half}}
	addr := e.serve(t, "tcp", "127.0.0.1:0")
	watch(t, orca.Options{Interval: 3 * time.Second}, addr.String(), func(r *health.LoadReport, err error) bool {
		if err != nil || !isHalf(r) {
			t.Errorf("%+v, %v", r, err)
		}
		return true
	})
	if got := time.Duration(e.wanted.Load()); got != 3*time.Second {
		t.Errorf("the endpoint was asked for a report each %v, want 3s", got)
	}
}

// What is bad is told and passed over; what ends is opened again.
func TestAStreamThatEndsIsOpenedAgain(t *testing.T) {
	e := &endpoint{scripts: []func(func(*orcapb.OrcaLoadReport)) error{
		func(send func(*orcapb.OrcaLoadReport)) error {
			for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
				send(&orcapb.OrcaLoadReport{Eps: bad})
				send(&orcapb.OrcaLoadReport{NamedMetrics: map[string]float64{"gpu": bad, "x": 1}})
				send(&orcapb.OrcaLoadReport{CpuUtilization: 1, NamedMetrics: map[string]float64{"other": bad}})
			}
			return errors.New("tired")
		},
		half,
	}}
	addr := e.serve(t, "tcp", "127.0.0.1:0")
	var bad, good, ended int
	watch(t, orca.Options{}, addr.String(), func(r *health.LoadReport, err error) bool {
		switch {
		case errors.Is(err, health.ErrLoadReport):
			bad++
		case err != nil:
			ended++
			if !strings.Contains(err.Error(), "tired") {
				t.Errorf("the stream ended with %v", err)
			}
		case r.CPU == 1 && len(r.Named) == 0:
			good++
		case !isHalf(r):
			t.Errorf("%+v", r)
		default:
			return true
		}
		return false
	})
	if bad != 6 || good != 3 || ended != 1 {
		t.Errorf("%d bad reports, %d good ones, %d ends; want 6, 3 and 1", bad, good, ended)
	}
}

func TestAnEndpointWithoutReportsSaysSo(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	// It reads what it gets and says nothing of HTTP/2.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	other := grpc.NewServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go other.Serve(l)
	defer other.Stop()
	for addr, want := range map[string]string{
		refused.Addr().String(): "refused", mute.Addr().String(): "Unavailable", l.Addr().String(): "Unimplemented", "no port": "Unavailable",
	} {
		watch(t, orca.Options{}, addr, func(_ *health.LoadReport, err error) bool {
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, health.ErrLoadReport) {
				t.Errorf("%s: %v, want %q", addr, err, want)
			}
			return true
		})
	}
}

func TestStreamsGoOverTLSToAnotherPortAndOverUnixSockets(t *testing.T) {
	e := &endpoint{scripts: []func(func(*orcapb.OrcaLoadReport)) error{half}}
	certs := testkit.NewCertificates(t)
	pair := certs.Server("127.0.0.1").TLS
	secured := e.serve(t, "tcp", "127.0.0.1:0", grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	path := filepath.Join(t.TempDir(), "s")
	e.serve(t, "unix", path)
	for addr, o := range map[string]orca.Options{
		"127.0.0.1:1":  {Port: secured.(*net.TCPAddr).Port, TLS: &tls.Config{RootCAs: certs.Pool}},
		"unix:" + path: {},
	} {
		watch(t, o, addr, func(r *health.LoadReport, err error) bool {
			if err != nil || !isHalf(r) {
				t.Errorf("%s: %+v, %v", addr, r, err)
			}
			return true
		})
	}
}

func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	for name, o := range map[string]orca.Options{"interval": {Interval: time.Hour}, "negative": {Interval: -1}, "port": {Port: 65536}} {
		if err := orca.Watch(context.Background(), o, "127.0.0.1:1", nil, nil); err == nil || o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
