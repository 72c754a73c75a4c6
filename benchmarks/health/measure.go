//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func measureAll(ctx context.Context) error {
	port, stop, err := startEndpoints()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%d endpoints, a %s check of each every %v; %s, GOMAXPROCS %d\n", *endpoints, *kind, *interval, runtime.Version(), runtime.GOMAXPROCS(0))
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Printf("Load of the machine before: %s", load)
	}
	fmt.Println("\n| | checks/s | failed | CPU, of one core | CPU per check | heap + stacks | resident | goroutines |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	if err := report(ctx, "no checks", func(context.Context, health.Check) (func() (uint64, uint64), error) {
		return func() (uint64, uint64) { return 0, 0 }, nil
	}); err != nil {
		return err
	}
	if err := report(ctx, "a goroutine for each (`health.Watch`)", watchEach(port)); err != nil {
		return err
	}
	if err := report(ctx, "the balancer's (`health.Prober`)", balanced(port)); err != nil {
		return err
	}
	fmt.Println()
	if err := picks(ctx, port); err != nil {
		return err
	}
	return zoneFails(ctx, port)
}

func theCheck() health.Check { return health.Check{Type: *kind, CheckInterval: *interval} }

// groups are the endpoints, in three zones.
func groups(port int) []lb.Group {
	g := []lb.Group{{Name: "a", Zone: "a"}, {Name: "b", Zone: "b"}, {Name: "c", Zone: "c"}}
	for i := range *endpoints {
		of := &g[i%3]
		of.Endpoints = append(of.Endpoints, balance.Endpoint{Addr: address(i, port)})
	}
	return g
}

// report measures one way to check, for a while, once it is under way.
func report(ctx context.Context, name string, begin func(context.Context, health.Check) (func() (uint64, uint64), error)) error {
	runtime.GC()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	counts, err := begin(ctx, theCheck())
	if err != nil {
		return err
	}
	pause(ctx, 2*time.Second+*interval)
	cpu, at := cpuTime(), time.Now()
	ok, failed := counts()
	pause(ctx, time.Duration(*seconds)*time.Second)
	took, used := time.Since(at), cpuTime()-cpu
	okAfter, failedAfter := counts()
	checks := okAfter + failedAfter - ok - failed
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	per := "–"
	if checks > 0 {
		per = (used / time.Duration(checks)).String()
	}
	fmt.Printf("| %s | %.0f | %d | %.1f %% | %s | %.1f MB | %.1f MB | %d |\n", name,
		float64(checks)/took.Seconds(), failedAfter-failed, 100*used.Seconds()/took.Seconds(), per,
		float64(mem.HeapInuse+mem.StackInuse)/1e6, float64(resident())/1e6, runtime.NumGoroutine())
	return ctx.Err()
}

// watchEach checks with a goroutine for each endpoint.
func watchEach(port int) func(context.Context, health.Check) (func() (uint64, uint64), error) {
	return func(ctx context.Context, c health.Check) (func() (uint64, uint64), error) {
		var n [2]atomic.Uint64
		for i := range *endpoints {
			go func() {
				_ = health.Watch(ctx, c, address(i, port), func(ev health.Event) {
					if ev.Result.OK {
						n[0].Add(1)
					} else {
						n[1].Add(1)
					}
				})
			}()
		}
		return func() (uint64, uint64) { return n[0].Load(), n[1].Load() }, nil
	}
}

// balanced checks as a balancer does.
func balanced(port int) func(context.Context, health.Check) (func() (uint64, uint64), error) {
	return func(ctx context.Context, c health.Check) (func() (uint64, uint64), error) {
		b, err := lb.New(lb.Options{Groups: groups(port), HealthCheck: &c})
		if err != nil {
			return nil, err
		}
		go func() { _ = b.Run(ctx) }()
		return func() (uint64, uint64) { st := b.Status(); return st.ChecksPassed, st.ChecksFailed }, nil
	}
}

// picks measures Pick and Done beside the checks, and without.
func picks(ctx context.Context, port int) error {
	fmt.Println("| policy | pick + done, no checks | with checks |")
	fmt.Println("|---|---|---|")
	for _, policy := range []string{"ROUND_ROBIN", "MAGLEV"} {
		p, err := balance.Lookup(policy)
		if err != nil {
			return err
		}
		var ns [2]float64
		for i := range ns {
			o := lb.Options{Groups: groups(port), Policy: p}
			if i == 1 {
				c := theCheck()
				o.HealthCheck = &c
			}
			if ns[i], err = pickCost(ctx, o); err != nil {
				return err
			}
		}
		fmt.Printf("| %s | %.0f ns | %.0f ns |\n", policy, ns[0], ns[1])
	}
	fmt.Println()
	return nil
}

// pickCost is the median over many short rounds: what others do on the machine at the time is left out as well as can be.
func pickCost(ctx context.Context, o lb.Options) (ns float64, err error) {
	b, err := lb.New(o)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if o.HealthCheck != nil {
		pause(ctx, 2*time.Second+*interval)
	}
	const rounds, each = 400, 10_000
	var all []float64
	key := uint64(0)
	for range rounds {
		begin := time.Now()
		for range each {
			key += 0x9E3779B97F4A7C15
			lease, err := b.Pick(ctx, lb.Request{Key: key, Keyed: true})
			if err != nil {
				return 0, err
			}
			lease.Done(lb.Success)
		}
		all = append(all, float64(time.Since(begin).Nanoseconds())/each)
	}
	sort.Float64s(all)
	return all[rounds/2], nil
}

// zoneFails counts the snapshots that follow when a third of the endpoints is gone at once, and comes back.
func zoneFails(ctx context.Context, port int) error {
	var dark atomic.Bool
	p := &health.Prober{Checker: func(c health.Check) (health.Checker, error) {
		real, err := health.NewChecker(c)
		return zone{real, &dark}, err
	}}
	c := theCheck()
	b, err := lb.New(lb.Options{Groups: groups(port), HealthCheck: &c, Prober: p})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = p.Run(ctx) })
	running.Go(func() { _ = b.Run(ctx) })
	known := b.Snapshot().Version
	pause(ctx, 3*time.Second+*interval)
	fmt.Printf("To know all %d endpoints at start: %d snapshots.\n", *endpoints, b.Snapshot().Version-known)
	for _, fails := range []bool{true, false} {
		before, begin := b.Snapshot().Version, time.Now()
		dark.Store(fails)
		want := *endpoints
		if fails {
			want -= (*endpoints + 1) / 3
		}
		for taking(b) != want && time.Since(begin) < time.Minute && ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
		}
		word := "comes back"
		if fails {
			word = "fails"
		}
		fmt.Printf("A zone of %d endpoints %s at once: %d snapshots in %.1f s, and %d of %d are in use.\n",
			(*endpoints+1)/3, word, b.Snapshot().Version-before, time.Since(begin).Seconds(), taking(b), *endpoints)
	}
	return ctx.Err()
}

// zone is a checker that finds nobody in zone b while it is dark.
type zone struct {
	health.Checker
	dark *atomic.Bool
}

func (z zone) Check(ctx context.Context, addr string) health.Result {
	if z.dark.Load() && strings.HasPrefix(addr, "127.2.") {
		return health.Result{Reason: "connection refused"}
	}
	return z.Checker.Check(ctx, addr)
}

func taking(b *lb.Balancer) (n int) {
	for _, c := range b.Snapshot().Candidates {
		if c.Share > 0 {
			n++
		}
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// cpuTime is what this process has used, in user space and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is how much memory this process has, in bytes.
func resident() int {
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(status))
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		return math.MinInt
	}
	return pages * os.Getpagesize()
}
