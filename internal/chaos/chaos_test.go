//go:build linux

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A zoo is everybody.
type zoo struct {
	t         *testing.T
	proxy     *proxy
	endpoints []*endpoint
	chronicle *chronicle
	judge     *judge
	operator  *operator

	ejected         int // most at once, in one service
	goroutines, fds [2]float64
}

const many = 20

func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("processes, and seconds")
	}
	if inOwnNetwork(t) {
		return
	}
	t.Logf("seed %d", *seed)
	if err := adopt(); err != nil {
		t.Fatal(err)
	}
	z := newZoo(t)
	z.run(*length)
	if *report != "" {
		if err := os.WriteFile(*report, []byte(z.report()), 0o644); err != nil {
			t.Error(err)
		}
	}
	t.Log("\n" + z.report())
	for i, v := range z.judge.violations {
		if t.Error(v); i == 20 {
			t.Fatalf("… and %d more", len(z.judge.violations)-i)
		}
	}
}

// newZoo starts everybody, and waits until all are well.
func newZoo(t *testing.T) *zoo {
	z := &zoo{t: t, chronicle: new(chronicle)}
	var hosts []string
	var starting sync.WaitGroup
	for i := range many {
		e := &endpoint{t: t, host: fmt.Sprintf("127.0.1.%d", i+1)}
		z.endpoints, hosts = append(z.endpoints, e), append(hosts, e.host)
		starting.Go(func() {
			if err := e.start(); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	t.Cleanup(func() {
		for _, e := range z.endpoints {
			_ = e.kill()
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	z.proxy = newProxy(t, hosts)
	z.judge = &judge{chronicle: z.chronicle}
	z.operator = &operator{
		proxy: z.proxy, chronicle: z.chronicle, endpoints: z.endpoints,
		dice:  rand.New(rand.NewPCG(*seed, 0)),
		gone:  map[string]bool{},
		scale: min(*length/10, time.Second),
	}
	z.proxy.await("well", z.allWell)
	return z
}

// run has clients ask while chaos reigns, and then looks at what is left.
func (z *zoo) run(length time.Duration) {
	z.goroutines[0], z.fds[0] = z.proxy.metric("go_goroutines"), float64(len(z.proxy.open()))
	ctx, leave := context.WithCancel(z.t.Context())
	var clients sync.WaitGroup
	for range 12 {
		clients.Go(func() { z.judge.getter(ctx, 50*time.Millisecond) })
	}
	for range 40 {
		clients.Go(func() { z.judge.session(ctx, 300*time.Millisecond) })
	}
	for range 10 {
		clients.Go(func() { z.judge.stream(ctx, 200*time.Millisecond) })
	}
	clients.Go(func() { z.watchEjections(ctx) })
	if err := z.operator.reign(length); err != nil {
		z.t.Error(err)
	}
	z.proxy.await("well again", z.allWell)
	leave()
	clients.Wait()

	z.proxy.await("without leases", func() bool { return z.leases() == 0 })
	z.proxy.await("alone", func() bool { return len(z.proxy.processes()) == 1 })
	defer func() {
		if z.t.Failed() {
			z.t.Logf("goroutines %v, descriptors %v before and after; these are open: %v", z.goroutines, z.fds, z.proxy.open())
		}
	}()
	z.proxy.await("as small as at first", func() bool {
		z.goroutines[1], z.fds[1] = z.proxy.metric("go_goroutines"), float64(len(z.proxy.open()))
		return z.goroutines[1] <= z.goroutines[0]+10 && z.fds[1] <= z.fds[0]+10
	})
}

// A service is what is looked at of the admin API's.
type seenService struct {
	Name   string
	Groups []struct {
		Endpoints []struct {
			ID, Health, Admin string
			Ejected           bool
			Active            int
		}
	}
	Removed []struct{ Active int }
}

func (z *zoo) services() ([]seenService, error) {
	var all struct{ Services []seenService }
	err := z.proxy.get("/api/v1/services", &all)
	return all.Services, err
}

func (z *zoo) allWell() bool {
	services, err := z.services()
	if err != nil || len(services) != 3 {
		return false
	}
	for _, s := range services {
		if len(s.Groups) != 1 || len(s.Groups[0].Endpoints) != many {
			return false
		}
		for _, e := range s.Groups[0].Endpoints {
			if e.Health != "HEALTHY" || e.Ejected || e.Admin != "READY" {
				return false
			}
		}
	}
	return true
}

func (z *zoo) leases() (n int) {
	services, err := z.services()
	if err != nil {
		return -1
	}
	for _, s := range services {
		for _, g := range s.Groups {
			for _, e := range g.Endpoints {
				n += e.Active
			}
		}
		for _, r := range s.Removed {
			n += r.Active
		}
	}
	return n
}

// watchEjections looks whether the cap is kept, all the time.
func (z *zoo) watchEjections(ctx context.Context) {
	for every(ctx, 100*time.Millisecond) {
		services, err := z.services()
		if err != nil {
			continue // the admin API moves to another process, too
		}
		for _, s := range services {
			n := 0
			for _, e := range s.Groups[0].Endpoints {
				if e.Ejected {
					n++
				}
			}
			z.ejected = max(z.ejected, n)
			if all := len(s.Groups[0].Endpoints); n*100 > all*maxEjected {
				z.judge.violation("of service %s %d of %d endpoints are ejected", s.Name, n, all)
			}
		}
	}
}

func where() string {
	return fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
