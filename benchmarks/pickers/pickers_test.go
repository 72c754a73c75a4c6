package pickers

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	maglev "github.com/dgryski/go-maglev"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/metadata"

	spillway "github.com/spillway-lb/spillway/balance"
)

var sizes = []int{3, 10, 100, 1000}

func equal(int) uint32       { return 1 }
func upToSeven(i int) uint32 { return uint32(1 + i%7) }

// candidates returns n idle candidates with their weights, sorted by ID.
func candidates(n int, weight func(i int) uint32) []spillway.Candidate {
	c := make([]spillway.Candidate, n)
	for i := range c {
		addr := fmt.Sprintf("10.0.%03d.%03d:8080", i/250, i%250)
		c[i] = spillway.Candidate{
			Endpoint: &spillway.Endpoint{ID: addr, Addr: addr, Weight: weight(i), Load: new(spillway.Load)},
			Share:    weight(i),
		}
	}
	return c
}

// keyStep is 2⁶⁴/φ: its multiples are spread like hashes.
const keyStep = 0x9e3779b97f4a7c15

// on runs a benchmark with one goroutine and with GOMAXPROCS of them.
func on(b *testing.B, one func(b *testing.B, next func() bool)) {
	b.Run("goroutines=1", func(b *testing.B) {
		b.ReportAllocs()
		one(b, b.Loop)
	})
	b.Run("goroutines=all", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) { one(b, pb.Next) })
	})
}

var seed atomic.Uint64 // so that goroutines have different keys

// BenchmarkPick is a choice alone; BenchmarkPickDone takes and ends the lease.
func BenchmarkPick(b *testing.B)     { benchmarkSpillway(b, false) }
func BenchmarkPickDone(b *testing.B) { benchmarkSpillway(b, true) }

func benchmarkSpillway(b *testing.B, done bool) {
	for _, name := range spillway.Names() {
		policy, err := spillway.Lookup(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, weights := range []struct {
			name string
			of   func(i int) uint32
		}{{"equal", equal}, {"weighted", upToSeven}} {
			for _, n := range sizes {
				p := policy(candidates(n, weights.of))
				b.Run(fmt.Sprintf("spillway/%s/%s/n=%d", name, weights.name, n), func(b *testing.B) {
					on(b, func(b *testing.B, next func() bool) {
						key := seed.Add(1 << 32)
						for next() {
							key += keyStep
							e := p.Pick(spillway.Request{Key: key, Keyed: true})
							if done && e.Load.Acquire(e.Max) {
								e.Load.Release()
							}
						}
					})
				})
			}
		}
	}
}

// BenchmarkLease is the floor under BenchmarkPickDone: the counters without a choice.
func BenchmarkLease(b *testing.B) {
	for _, n := range sizes {
		c := candidates(n, equal)
		b.Run(fmt.Sprintf("bare/n=%d", n), func(b *testing.B) {
			on(b, func(b *testing.B, next func() bool) {
				i := int(seed.Add(7)) % n
				for next() {
					if i++; i == n {
						i = 0
					}
					if e := c[i].Endpoint; e.Load.Acquire(e.Max) {
						e.Load.Release()
					}
				}
			})
		})
	}
}

func BenchmarkPickGoMaglev(b *testing.B) {
	for _, n := range sizes {
		var ids []string
		for _, c := range candidates(n, equal) {
			ids = append(ids, c.ID)
		}
		table := maglev.New(ids, maglev.SmallM)
		b.Run(fmt.Sprintf("go-maglev/Lookup/equal/n=%d", n), func(b *testing.B) {
			on(b, func(b *testing.B, next func() bool) {
				key, sum := seed.Add(1<<32), 0
				for next() {
					key += keyStep
					sum += table.Lookup(key)
				}
				sink.Add(uint64(sum))
			})
		})
	}
}

var sink atomic.Uint64

// BenchmarkPickGRPC picks as grpc-go does for a call, and calls Done where the
// policy asks for it. Its contexts with keys are made beforehand.
func BenchmarkPickGRPC(b *testing.B) {
	infos := make([]balancer.PickInfo, 1<<12)
	for i := range infos {
		infos[i].Ctx = metadata.AppendToOutgoingContext(context.Background(), hashHeader, fmt.Sprint(i))
	}
	for _, policy := range grpcPolicies {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("grpc-go/%s/n=%d", policy.label, n), func(b *testing.B) {
				p := newGRPCPicker(b, policy.name, policy.config, n)
				on(b, func(b *testing.B, next func() bool) {
					i := int(seed.Add(997))
					for next() {
						i++
						r, err := p.Pick(infos[i%len(infos)])
						if err != nil {
							b.Error(err)
							return
						}
						if r.Done != nil {
							r.Done(balancer.DoneInfo{})
						}
					}
				})
			})
		}
	}
}

// BenchmarkBuild is what a change of the list costs: with each picker the last
// endpoint is another.
func BenchmarkBuild(b *testing.B) {
	for _, name := range spillway.Names() {
		policy, err := spillway.Lookup(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range sizes {
			for _, list := range []struct {
				name string
				c    []spillway.Candidate
			}{
				{"equal", candidates(n, equal)},
				{"weighted", candidates(n, upToSeven)},
				{"one-out", oneOut(n)},
			} {
				b.Run(fmt.Sprintf("spillway/%s/%s/n=%d", name, list.name, n), func(b *testing.B) {
					b.ReportAllocs()
					last := &list.c[n-1]
					for i := 0; b.Loop(); i++ {
						e := *last.Endpoint
						e.ID = fmt.Sprintf("10.1.%d", i)
						last.Endpoint = &e
						policy(list.c)
					}
				})
			}
		}
	}
	for _, n := range sizes {
		var ids []string
		for _, c := range candidates(n, equal) {
			ids = append(ids, c.ID)
		}
		b.Run(fmt.Sprintf("go-maglev/New/equal/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				maglev.New(ids, maglev.SmallM)
			}
		})
	}
}

// BenchmarkShares is what a change of shares alone costs, while a picker of the same
// list is in use: a step of a warm-up of one endpoint, or of every other one, and the
// same for outages. Weights are 1 to 7 in turn where endpoints report them.
func BenchmarkShares(b *testing.B) {
	for _, name := range spillway.Names() {
		policy, err := spillway.Lookup(name)
		if err != nil {
			b.Fatal(err)
		}
		weight := equal
		if name == "WEIGHTED_MAGLEV" {
			weight = upToSeven
		}
		for _, n := range []int{1000, 10000} {
			for _, change := range []struct {
				name  string
				every int
				warm  bool
			}{{"one-warms-up", n, true}, {"half-warm-up", 2, true}, {"one-out", n, false}, {"half-out", 2, false}} {
				b.Run(fmt.Sprintf("spillway/%s/%s/n=%d", name, change.name, n), func(b *testing.B) {
					b.ReportAllocs()
					c := candidates(n, func(i int) uint32 { return spillway.Fine * weight(i) })
					inUse := policy(c)
					for step := 0; b.Loop(); step++ {
						part := uint32(0)
						if change.warm {
							part = uint32(25 + step%200)
						}
						for i := 0; i < n; i += change.every {
							c[i].Share = c[i].Weight / spillway.Fine * part
						}
						next := policy(c)
						runtime.KeepAlive(inUse) // as a balancer's is, until it is replaced
						inUse = next
					}
				})
			}
		}
	}
}

func oneOut(n int) []spillway.Candidate {
	c := candidates(n, equal)
	c[n/2].Share = 0
	return c
}

// The benchmark would say nothing if the fake connections made grpc-go pick
// differently: every policy must reach every endpoint.
func TestGRPCPickersReachEveryEndpoint(t *testing.T) {
	const n = 10
	for _, policy := range grpcPolicies {
		p := newGRPCPicker(t, policy.name, policy.config, n)
		met := make(map[string]int)
		for i := range 5000 {
			r, err := p.Pick(keyedInfo(i))
			if err != nil {
				t.Fatalf("%s: %v", policy.label, err)
			}
			met[r.SubConn.(*subConn).addr]++
			if r.Done != nil {
				r.Done(balancer.DoneInfo{})
			}
		}
		if len(met) != n {
			t.Errorf("%s reached %d of %d endpoints", policy.label, len(met), n)
		}
		if policy.label == "weighted_round_robin" {
			if light, heavy := met["10.0.000.000:8080"], met["10.0.000.006:8080"]; heavy < 4*light {
				t.Errorf("%s: weight 7 got %d picks, weight 1 got %d", policy.label, heavy, light)
			}
		}
	}
}
