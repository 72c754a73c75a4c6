//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A bench runs scenarios. Its fields do not change once it runs.
type bench struct {
	self      string // this program, to be started again as load and endpoint
	dir       string // temporary: configurations, logs
	peers     []*peer
	rounds    int
	warmup    time.Duration
	duration  time.Duration
	proxyCore int // unpinned: no pinning
	loadCore  int
	strace    bool   // whether system calls are counted
	modules   string // where else to look for nginx's stream module
	progress  io.Writer
}

// A peerRun is what one proxy did in one scenario: one result for each round.
type peerRun struct {
	Name    string
	Results []result
	Failure string // why it stopped taking part
}

// A section is one scenario with all that took part.
type section struct {
	Scenario scenario
	Runs     []peerRun
}

// loadEnv keeps the Go runtime of the load and the endpoints quiet: their loops never yield, and need no preemption.
var loadEnv = []string{"GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"}

// scenario runs the rounds: in each, every proxy once, in shuffled order, freshly started. A proxy that fails is left out
// of the rounds that follow. The error is about the bench itself, or ctx's.
func (b *bench) scenario(ctx context.Context, sc scenario) (section, error) {
	endpoints, to, err := b.startEndpoints(ctx, sc)
	if err != nil {
		return section{}, fmt.Errorf("endpoints: %w", err)
	}
	defer endpoints.stop(syscall.SIGKILL)

	sec := section{Scenario: sc}
	var taking []*peer
	for _, p := range b.peers {
		if p.takesPart(sc) {
			taking = append(taking, p)
			sec.Runs = append(sec.Runs, peerRun{Name: p.name})
		}
	}
	for round := range b.rounds {
		for _, i := range rand.Perm(len(taking)) {
			run := &sec.Runs[i]
			if run.Failure != "" {
				continue
			}
			res, err := b.measure(ctx, taking[i], sc, to, endpoints.pid(), b.workOf(sc))
			if ctx.Err() != nil {
				return sec, ctx.Err()
			}
			if err != nil {
				run.Failure = err.Error()
				fmt.Fprintf(b.progress, "%-4s %-14s left out: %v\n", sc.Name, run.Name, err)
				continue
			}
			run.Results = append(run.Results, res)
			fmt.Fprintf(b.progress, "%-4s %-14s round %d/%d: %.4g %s, %.4g %s, %d errors\n",
				sc.Name, run.Name, round+1, b.rounds, sc.cost(res), sc.costUnit(), sc.rate(res), sc.rateUnit(), res.Errors)
		}
	}
	if b.strace && sc.Kind != idle && sc.Kind != besides && sc.Workers == 0 {
		b.countSystemCalls(ctx, sec, taking, to, endpoints.pid())
	}
	return sec, ctx.Err()
}

// A work is what is done with a proxy that runs.
type work func(context.Context, loadSpec) (result, error)

func (b *bench) workOf(sc scenario) work {
	if sc.Kind == besides {
		return b.besides
	}
	return b.load
}

// cores says where the proxy runs in a scenario, and where all else.
func (b *bench) cores(sc scenario) (proxy, load int) {
	if sc.Workers > 0 {
		return unpinned, unpinned
	}
	return b.proxyCore, b.loadCore
}

// startEndpoints returns when the endpoints accept; it names their addresses.
func (b *bench) startEndpoints(ctx context.Context, sc scenario) (*process, endpointAddrs, error) {
	var to endpointAddrs
	log := filepath.Join(b.dir, sc.Name+"-endpoint.log")
	_, core := b.cores(sc)
	p, err := launch(core, log, loadEnv, b.self, "endpoint")
	if err != nil {
		return nil, to, err
	}
	err = p.until(ctx, func() bool {
		out, err := os.ReadFile(log)
		return err == nil && json.Unmarshal(out, &to) == nil
	})
	if err != nil {
		p.stop(syscall.SIGKILL)
	}
	return p, to, err
}

// measure starts a proxy, checks it, has the work done and stops it.
func (b *bench) measure(ctx context.Context, p *peer, sc scenario, to endpointAddrs, endpointPID int, do work) (result, error) {
	proxy, addr, err := b.startProxy(ctx, p, sc, to)
	if err != nil {
		return result{}, err
	}
	defer proxy.stop(syscall.SIGTERM)
	if err := checkProxy(sc, addr); err != nil && !p.noProxy {
		return result{}, fmt.Errorf("check before measuring: %w", err)
	}
	return do(ctx, loadSpec{
		Scenario: sc, Addr: addr, Warmup: b.warmup, Duration: b.duration,
		ProxyPIDs: processTree(proxy.pid()), LoadPIDs: []int{endpointPID},
	})
}

// startProxy returns when the proxy accepts where the scenario will connect.
func (b *bench) startProxy(ctx context.Context, p *peer, sc scenario, to endpointAddrs) (*process, string, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, "", err
	}
	setup := plan{HTTP: ports[0], Echo: ports[1], Stream: ports[2], To: to, Workers: sc.workers(), Dir: b.dir, Root: os.Geteuid() == 0}
	if sc.udp() {
		setup.Datagrams = setup.Echo
	}
	if sc.tls() {
		setup.TLS = ports[3]
		if setup.Certificate, err = writeCertificate(b.dir); err != nil {
			return nil, "", err
		}
	}
	if p.name == "nginx" {
		module, found := nginxModule(ctx, p.binary, b.modules)
		setup.NginxStream, setup.NoTCP = module, !found
	}
	file := filepath.Join(b.dir, p.file)
	if err := os.WriteFile(file, []byte(p.render(setup)), 0o600); err != nil {
		return nil, "", err
	}
	core, _ := b.cores(sc)
	proc, err := launch(core, filepath.Join(b.dir, p.name+".log"), p.env(sc.workers(), b.dir), p.argv(p.binary, file)...)
	if err != nil {
		return nil, "", err
	}
	addr := setup.HTTP
	switch sc.Kind {
	case echo, echoFresh, datagrams:
		addr = setup.Echo
	case stream:
		addr = setup.Stream
	case tlsKept, tlsFresh:
		addr = setup.TLS
	}
	err = proc.until(ctx, func() bool { return accepts(sc, addr) })
	if err != nil {
		proc.stop(syscall.SIGTERM)
		return nil, "", err
	}
	return proc, addr, nil
}

// freePorts finds loopback addresses that nobody listens on, below the range from which the kernel takes the ports of
// outgoing connections, so that none of those takes one first.
func freePorts(n int) ([]string, error) {
	var addrs []string
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		ln, err := net.Listen("tcp4", addr)
		if err != nil || slices.Contains(addrs, addr) {
			continue
		}
		ln.Close()
		if addrs = append(addrs, addr); len(addrs) == n {
			return addrs, nil
		}
	}
	return nil, errors.New("no free ports from 20000 to 31999")
}

// load runs the load process to its end, which is bounded by the spec.
func (b *bench) load(ctx context.Context, spec loadSpec) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, spec.Warmup+spec.Duration+totalTimeout+10*time.Second)
	defer cancel()
	in, err := json.Marshal(spec)
	if err != nil {
		return result{}, err
	}
	_, core := b.cores(spec.Scenario)
	out, err := run(ctx, core, loadEnv, in, b.self, "load")
	if err != nil {
		return result{}, fmt.Errorf("load: %w", err)
	}
	var res result
	if err := json.Unmarshal(out, &res); err != nil {
		return result{}, fmt.Errorf("load: %w", err)
	}
	if res.Ops == 0 {
		return result{}, fmt.Errorf("no operation was completed, %d errors, the first: %q", res.Errors, res.First)
	}
	return res, nil
}
