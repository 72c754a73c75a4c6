package lb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// This file has what spec.md §4.7, §6, §8.3, §9.3 and §9.4 say of who is eligible,
// sentence by sentence, slowly, and without a thought for what eligible does.

// a set is some of a service's members.
type set []*member

func (s set) that(is func(*member) bool) set {
	var out set
	for _, m := range s {
		if is(m) {
			out = append(out, m)
		}
	}
	return out
}

func isHealthy(m *member) bool { return m.health == health.Healthy }
func isUnknown(m *member) bool { return m.health == health.Unknown }
func isIll(m *member) bool     { return !isHealthy(m) && !isUnknown(m) }
func isPrimary(m *member) bool { return !m.backup }
func isBackup(m *member) bool  { return m.backup }
func isLocal(m *member) bool   { return m.local }

// counts as healthy for failover and zones: an endpoint that no check has looked
// at yet has not failed.
func counts(m *member) bool { return isHealthy(m) || isUnknown(m) && !m.checked }

// shares are the members' shares, by ID.
type shares map[string]uint32

func oracle(all set, r rules) shares {
	weight := oracleWeights(all, r.reports)
	// §6, subset first.
	pool := oracleSubset(all, r.subset)
	// The operator's word, and a weight in the file.
	pool = pool.that(func(m *member) bool { return m.admin == Ready && !m.idle && m.endpoint.Weight > 0 })

	// RFC 2782: "the target host with the lowest-numbered priority it can reach".
	pool = oracleReserves(pool)

	// §9.3, the first rule that holds.
	primaries, backups := pool.that(isPrimary), pool.that(isBackup)
	healthyPrimaries, healthyBackups := primaries.that(counts), backups.that(counts)
	ratio := 0.0
	if r.failover != nil {
		ratio = r.failover.Ratio
	}
	switch {
	case len(primaries) == 0: // the operator's doing
		pool = backups
	case len(healthyPrimaries)+len(healthyBackups) == 0:
		pool = primaries
	case len(healthyPrimaries) == 0:
		pool = backups
	case len(healthyBackups) == 0:
		pool = primaries
	case ratio == 0:
		pool = primaries
	case float64(len(healthyPrimaries))/float64(len(primaries)) >= ratio:
		pool = primaries
	default:
		pool = backups
	}

	// §9.4.
	local := pool.that(isLocal)
	switch r.zonal.Spillover {
	case StayWithinZone:
		if len(local) > 0 {
			pool = local
		}
	case SpillCrossZone:
		if n := len(local.that(counts)); n > 0 && float64(n)/float64(len(local)) >= r.zonal.Ratio {
			pool = local
		}
	}

	// Last resorts.
	illToo := r.panic == PanicOpen
	if r.failover != nil {
		// "None healthy"; the ill of §4.7 are for services without failover policy.
		illToo = !r.failover.DropIfUnhealthy && len(pool.that(isIll)) == len(pool)
	}
	well := len(pool) - len(pool.that(isIll))
	if r.failover == nil && (well == 0 || 100*well < r.threshold*len(pool)) {
		if r.panic == PanicClosed {
			return nil
		}
		if r.panic == PanicShed {
			return oracleFit(pool, weight, false)
		}
		if some := pool.that(func(m *member) bool { return weight[m.endpoint.ID] > 0 }); len(some) > 0 {
			return by(some, weight)
		}
		return by(pool, nil)
	}

	return oracleFit(pool, weight, illToo)
}

// oracleFit: §4.7, the eligible set with weighting; §8.3, where UNKNOWN stands.
func oracleFit(pool set, weight shares, illToo bool) shares {
	for _, zero := range []bool{false, true} {
		for _, is := range []func(*member) bool{isHealthy, isUnknown, isIll} {
			some := pool.that(is).that(func(m *member) bool { return (weight[m.endpoint.ID] == 0) == zero })
			if len(some) == 0 || !illToo && isIll(some[0]) {
				continue
			}
			if zero {
				return by(some, nil)
			}
			return by(some, weight)
		}
	}
	return nil
}

// oracleSubset: the size lowest scores of each group; if fewer than half of the
// subset is healthy, extend by next scores.
func oracleSubset(all set, size int) set {
	if size == 0 {
		return all
	}
	serves := func(m *member) bool { return m.admin == Ready && !m.idle && m.endpoint.Weight > 0 && counts(m) }
	in := all.that(func(m *member) bool { return m.rank < size })
	for group := range 3 {
		for next := size; ; next++ {
			of := func(m *member) bool { return m.group == group }
			more := all.that(func(m *member) bool { return of(m) && m.rank == next })
			if len(more) == 0 || 2*len(in.that(of).that(serves)) >= size {
				break
			}
			in = append(in, more...)
		}
	}
	return in
}

// oracleReserves: of each group the first level that somebody can be reached at.
func oracleReserves(all set) (in set) {
	for group := range 3 {
		of := all.that(func(m *member) bool { return m.group == group })
		at := func(s set, level int) set { return s.that(func(m *member) bool { return m.level == level }) }
		var used set
		for _, of := range []set{of.that(counts), of} {
			for level := 0; level < 4 && len(used) == 0; level++ {
				if len(at(of, level)) > 0 {
					used = at(all, level).that(func(m *member) bool { return m.group == group })
				}
			}
		}
		in = append(in, used...)
	}
	return in
}

// by gives each its weight, or all of them the same.
func by(some set, weight shares) shares {
	out := shares{}
	for _, m := range some {
		out[m.endpoint.ID] = 1
		if weight != nil {
			out[m.endpoint.ID] = weight[m.endpoint.ID]
		}
	}
	return out
}

// oracleWeights: weights are used only if every instance has a valid weight or is
// UNAVAILABLE_WEIGHT.
func oracleWeights(all set, reports bool) shares {
	configured, reported := shares{}, shares{}
	var known []uint32
	usable := reports
	for _, m := range all {
		configured[m.endpoint.ID] = m.endpoint.Weight
		if m.report.valid.State == health.WeightValid {
			known = append(known, m.report.valid.Value)
		}
		// An endpoint that is not TIMEOUT or UNKNOWN must not have said nonsense last.
		unavailable := m.health == health.Timeout || m.health == health.Unknown
		nonsense := m.report.last.State == health.WeightInvalid || m.report.last.State == health.WeightMissing
		if !unavailable && nonsense {
			usable = false
		}
	}
	if !usable || len(known) == 0 {
		return configured
	}
	sum := 0.0
	for _, w := range known {
		sum += float64(w)
	}
	average := uint32(sum/float64(len(known)) + 0.5)
	if sum > 0 {
		average = max(average, 1)
	}
	for _, m := range all {
		switch {
		case m.endpoint.Weight == 0: // the file's word
			reported[m.endpoint.ID] = 0
		case m.report.valid.State == health.WeightValid:
			reported[m.endpoint.ID] = m.report.valid.Value
		default:
			reported[m.endpoint.ID] = average
		}
	}
	return reported
}

func TestEligibleIsWhatTheSpecSays(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	some, none, seen := 0, 0, make(map[Standing]int)
	rounds := 40_000
	if testkit.UnderRace {
		rounds = 10_000
	}
	for range rounds {
		members, r := randomService(random)
		want, d := oracle(members, r), eligible(members, r)
		for i, m := range members {
			if d.shares[i] != want[m.endpoint.ID] || (d.shares[i] > 0) != (d.standings[i] == InUse) {
				t.Fatalf("seed %d: %+v\n%s\nmember %d has share %d and stands %q; want %v",
					seed, r, describe(members), i, d.shares[i], d.standings[i], want)
			}
			// Who lays slots in a table must have a weight while anybody has.
			if d.shares[i] > 0 && d.weights[i] != d.shares[i] {
				t.Fatalf("seed %d: %+v\n%s\nmember %d has share %d of weight %d", seed, r, describe(members), i, d.shares[i], d.weights[i])
			}
			seen[d.standings[i]]++
		}
		// While nobody warms up, slow start changes the unit and nothing else.
		r.slow = &SlowStart{Window: time.Minute, Aggression: 1, MinWeightPercent: 10}
		slow := eligible(members, r)
		for i := range members {
			if slow.shares[i] != balance.Fine*d.shares[i] || slow.weights[i] != balance.Fine*d.weights[i] || slow.standings[i] != d.standings[i] {
				t.Fatalf("seed %d: %+v\n%s\nwith slow start member %d has share %d of weight %d, without %d of %d",
					seed, r, describe(members), i, slow.shares[i], slow.weights[i], d.shares[i], d.weights[i])
			}
		}
		if len(want) > 0 {
			some++
		} else {
			none++
		}
	}
	for s := InUse; s <= NotKnown; s++ {
		if seen[s] < rounds/200 {
			t.Errorf("only %d endpoints stood %v: the cases are too alike", seen[s], s)
		}
	}
	if some < rounds/20 || none < rounds/20 {
		t.Errorf("%d services with somebody eligible, %d with nobody: the cases are too alike", some, none)
	}
}

func randomService(random *rand.Rand) ([]*member, rules) {
	r := rules{
		panic:     PanicMode(random.IntN(3)),
		threshold: []int{0, 0, 30, 50, 100}[random.IntN(5)],
		zonal:     ZonalAffinity{Spillover: Spillover(random.IntN(3)), Ratio: part(random)},
		reports:   random.IntN(2) == 0,
		subset:    max(0, random.IntN(6)-2),
	}
	if random.IntN(2) == 0 {
		r.failover = &Failover{Ratio: part(random), DropIfUnhealthy: random.IntN(2) == 0}
	}
	members := make([]*member, 1+random.IntN(7))
	groups, size := 1+random.IntN(3), make([]int, 3)
	levels := 1 + max(0, random.IntN(5)-2)
	backups, locals, clean := random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(3) > 0
	for i := range members {
		m := &member{
			endpoint: &balance.Endpoint{ID: fmt.Sprint(i), Weight: random.Uint32N(4)},
			health:   []health.Status{health.Unknown, health.Healthy, health.Healthy, health.Unhealthy, health.Timeout}[random.IntN(5)],
			idle:     random.IntN(8) == 0,
			admin:    []Admin{Ready, Ready, Ready, Ready, Drain, Down}[random.IntN(6)],
			backup:   backups && random.IntN(2) == 0,
			local:    locals && random.IntN(2) == 0,
			group:    random.IntN(groups),
			level:    random.IntN(levels),
		}
		m.rank = size[m.group]
		size[m.group]++
		m.checked = m.health != health.Unknown || random.IntN(2) == 0
		m.report.note(randomReport(random, clean))
		m.report.note(randomReport(random, clean))
		members[i] = m
	}
	return members, r
}

func part(random *rand.Rand) float64 {
	return []float64{0, 0.25, 0.3, 0.5, 2.0 / 3, 0.75, 1}[random.IntN(7)]
}

// randomReport is nonsense only where clean is false.
func randomReport(random *rand.Rand, clean bool) health.Weight {
	w := health.Weight{State: health.WeightState(random.IntN(4))}
	if clean && w.State != health.WeightNone || w.State == health.WeightValid {
		w = health.Weight{State: health.WeightValid, Value: []uint32{0, 0, 1, 500, 1000}[random.IntN(5)]}
	}
	return w
}

func describe(members []*member) string {
	var lines []string
	for i, m := range members {
		lines = append(lines, fmt.Sprintf("%d: group %d, level %d, rank %d, weight %d, %v, %v, checked %v, backup %v, local %v, %+v",
			i, m.group, m.level, m.rank, m.endpoint.Weight, m.admin, m.health, m.checked, m.backup, m.local, m.report))
	}
	return strings.Join(slices.Clip(lines), "\n")
}
