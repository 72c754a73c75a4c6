package pickers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v3orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	grpcbalancer "google.golang.org/grpc/balancer"
	_ "google.golang.org/grpc/balancer/leastrequest"
	_ "google.golang.org/grpc/balancer/ringhash"
	_ "google.golang.org/grpc/balancer/roundrobin"
	_ "google.golang.org/grpc/balancer/weightedroundrobin"
	"google.golang.org/grpc/connectivity"
	estats "google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
)

// hashHeader is where grpc-go's ring_hash reads its key.
const hashHeader = "x-key"

// grpcPolicies are grpc-go's policies, by registered name, with their config.
var grpcPolicies = []struct{ label, name, config string }{
	{"round_robin", "round_robin", `{}`},
	{"weighted_round_robin", "weighted_round_robin", `{"blackoutPeriod":"0s","weightUpdatePeriod":"0.1s"}`},
	{"least_request", "least_request_experimental", `{"choiceCount":2}`},
	{"ring_hash", "ring_hash_experimental", `{"requestHashHeader":"` + hashHeader + `"}`},
}

// newGRPCPicker builds a policy of grpc-go through its public builder and waits
// until all n endpoints are connected, which here means nothing.
func newGRPCPicker(tb testing.TB, name, config string, n int) grpcbalancer.Picker {
	tb.Helper()
	builder := grpcbalancer.Get(name)
	if builder == nil {
		tb.Fatalf("grpc-go has no policy %s", name)
	}
	cc := &clientConn{events: make(chan func(), 16*n+16)}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { cc.serve(stop) })
	lb := builder.Build(cc, grpcbalancer.BuildOptions{})
	tb.Cleanup(func() {
		lb.Close()
		close(stop)
		wg.Wait()
	})
	state := grpcbalancer.ClientConnState{}
	for _, c := range candidates(n, equal) {
		state.ResolverState.Endpoints = append(state.ResolverState.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: c.Addr}}})
	}
	if parser, ok := builder.(grpcbalancer.ConfigParser); ok {
		var err error
		if state.BalancerConfig, err = parser.ParseConfig(json.RawMessage(config)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := lb.UpdateClientConnState(state); err != nil {
		tb.Fatal(err)
	}
	cc.connectAll(tb, n)
	if name == "weighted_round_robin" {
		cc.reportLoad(tb, n)
	}
	return cc.picker.Load().Picker
}

// connectAll picks until every endpoint is ready: ring_hash connects to those
// that are picked only.
func (cc *clientConn) connectAll(tb testing.TB, n int) {
	tb.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for i := 0; cc.ready.Load() < int64(n) || cc.picker.Load().ConnectivityState != connectivity.Ready; i++ {
		if time.Now().After(deadline) {
			tb.Fatalf("%d of %d endpoints are ready", cc.ready.Load(), n)
		}
		if s := cc.picker.Load(); s != nil {
			_, err := s.Picker.Pick(keyedInfo(i))
			if err == nil {
				continue
			}
			if !errors.Is(err, grpcbalancer.ErrNoSubConnAvailable) {
				tb.Fatal(err)
			}
		}
		time.Sleep(20 * time.Microsecond)
	}
	for len(cc.events) > 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for the last picker to come
}

// reportLoad gives the endpoints different weights, as their answers would, and
// waits for the scheduler that is made of them.
func (cc *clientConn) reportLoad(tb testing.TB, n int) {
	tb.Helper()
	picker := cc.picker.Load().Picker
	for i := range 4 * n {
		r, err := picker.Pick(keyedInfo(i))
		if err != nil {
			tb.Fatal(err)
		}
		var octet int
		if _, err := fmt.Sscanf(r.SubConn.(*subConn).addr, "10.0.%d.%d:", new(int), &octet); err != nil {
			tb.Fatal(err)
		}
		r.Done(grpcbalancer.DoneInfo{ServerLoad: &v3orcapb.OrcaLoadReport{
			RpsFractional: 100, ApplicationUtilization: 1 / float64(1+octet%7),
		}})
	}
	time.Sleep(300 * time.Millisecond)
}

func keyedInfo(i int) grpcbalancer.PickInfo {
	return grpcbalancer.PickInfo{Ctx: metadata.AppendToOutgoingContext(context.Background(), hashHeader, fmt.Sprint(i))}
}

// A clientConn plays grpc.ClientConn: it keeps the newest picker, and tells
// listeners of connections in a goroutine of its own, in order.
type clientConn struct {
	grpcbalancer.ClientConn
	events chan func()
	picker atomic.Pointer[grpcbalancer.State]
	ready  atomic.Int64
}

func (cc *clientConn) serve(stop <-chan struct{}) {
	for {
		select {
		case event := <-cc.events:
			event()
		case <-stop:
			return
		}
	}
}

func (cc *clientConn) UpdateState(s grpcbalancer.State)      { cc.picker.Store(&s) }
func (cc *clientConn) ResolveNow(resolver.ResolveNowOptions) {}
func (cc *clientConn) Target() string                        { return "pickers" }
func (cc *clientConn) MetricsRecorder() estats.MetricsRecorder {
	return noMetrics{}
}

func (cc *clientConn) NewSubConn(a []resolver.Address, o grpcbalancer.NewSubConnOptions) (grpcbalancer.SubConn, error) {
	return &subConn{cc: cc, addr: a[0].Addr, listener: o.StateListener}, nil
}

// noMetrics records nothing.
type noMetrics struct{ estats.MetricsRecorder }

func (noMetrics) RecordInt64Count(*estats.Int64CountHandle, int64, ...string)       {}
func (noMetrics) RecordFloat64Count(*estats.Float64CountHandle, float64, ...string) {}
func (noMetrics) RecordInt64Histo(*estats.Int64HistoHandle, int64, ...string)       {}
func (noMetrics) RecordFloat64Histo(*estats.Float64HistoHandle, float64, ...string) {}
func (noMetrics) RecordInt64Gauge(*estats.Int64GaugeHandle, int64, ...string)       {}

// A subConn plays a connection that is ready as soon as it is asked to be.
type subConn struct {
	grpcbalancer.SubConn
	cc       *clientConn
	addr     string
	listener func(grpcbalancer.SubConnState)
}

func (s *subConn) Connect() {
	s.cc.events <- func() {
		s.listener(grpcbalancer.SubConnState{ConnectivityState: connectivity.Connecting})
		s.listener(grpcbalancer.SubConnState{ConnectivityState: connectivity.Ready})
		s.cc.ready.Add(1)
	}
}

func (s *subConn) RegisterHealthListener(l func(grpcbalancer.SubConnState)) {
	s.cc.events <- func() { l(grpcbalancer.SubConnState{ConnectivityState: connectivity.Ready}) }
}

func (s *subConn) UpdateAddresses([]resolver.Address) {}
func (s *subConn) Shutdown()                          {}
