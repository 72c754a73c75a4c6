package lb

// rules are what of Options decides who may be picked.
type rules struct {
	panic     PanicMode
	threshold int
	failover  *Failover
	zonal     ZonalAffinity
	reports   bool // the weights that endpoints report count
	subset    int  // how many of each group; 0: all
	loads     bool // the weights that follow from load reports count
	byGroup   bool // there is a picker for each group
	slow      *SlowStart
}

// A ruling says who may be picked, by position in the list of members.
type ruling struct {
	standings []Standing
	weights   []uint32 // as they count now
	reported  bool     // they are those that endpoints report, or that follow from it
	shares    []uint32 // 0: not to be picked
	parts     []uint32 // with slow start, what of the weights counts; 0: not to be picked

	panic       bool    // too few are well
	asked, well int     // of so many so many, where that was asked
	sheds       float64 // part of the requests that is to be refused

	pool               Pool
	primaries, backups tally
}

// eligible decides who may be picked now and with which share: the one place
// where subsetting, the operator's word, failover, zones, health, weights and
// panic meet. It is pure. Each step narrows what the one before left:
//
//  1. subsetting: of each group those that are this balancer's part (subset)
//  2. the operator's word: READY ones, with a weight in the file, of groups that are
//     not drained
//  3. reserves: of each group the first level that has somebody well (usedLevels)
//  4. failover: of primaries and backups those that are active (activePool)
//  5. zonal affinity: of these, those of the zone (staysInZone)
//  6. health and weight: the first class that has somebody (fit)
//
// Load reports and slow start come last, and narrow nothing: they say what weight
// those have who are left (byLoad), and what part of it (warm).
//
// Subsetting, reserves, failover and zones count as well who is HEALTHY or was not
// checked even once: a proxy that starts does not fail over for the moment that takes,
// and one failed check is enough for a primary not to count. Reported weights do not
// count for them. Why it is so is in docs/decisions/0011-who-is-eligible.md.
func eligible(members []*member, r rules) ruling {
	d := ruling{standings: make([]Standing, len(members)), shares: make([]uint32, len(members))}
	if r.reports {
		d.weights, d.reported = reportedWeights(members)
	}
	if !d.reported {
		d.weights = weights(members, func(m *member) uint32 { return m.endpoint.Weight })
	}
	in := d.subset(members, everybody(members), r.subset)
	in = d.ready(members, in)
	in = d.first(members, in)
	in = d.active(members, in, r.failover)
	in = d.near(members, in, r.zonal)
	in = d.fit(members, in, r)
	if r.loads {
		d.byLoad(members, in, r.byGroup)
	}
	if r.slow != nil {
		d.warm(members, in, r)
	}
	for _, i := range in {
		d.shares[i] = d.share(i)
	}
	return d
}

// weights returns what weight says of each member that has one in the file.
func weights(members []*member, weight func(*member) uint32) []uint32 {
	out := make([]uint32, len(members))
	for i, m := range members {
		if m.endpoint.Weight > 0 {
			out[i] = weight(m)
		}
	}
	return out
}

// everybody returns the positions of all members.
func everybody(members []*member) []int {
	in := make([]int, len(members))
	for i := range in {
		in[i] = i
	}
	return in
}

// ready is the operator's word.
func (d *ruling) ready(members []*member, in []int) []int {
	return d.keep(in, func(i int) Standing {
		switch m := members[i]; {
		case m.admin == Drain:
			return IsDrained
		case m.admin == Down:
			return IsDown
		case m.idle:
			return GroupDrained
		case m.endpoint.Weight == 0:
			return NoWeight
		default:
			return InUse
		}
	})
}

// active keeps those of the active pool.
func (d *ruling) active(members []*member, in []int, f *Failover) []int {
	d.primaries = count(members, in, func(m *member) bool { return !m.backup })
	d.backups = count(members, in, func(m *member) bool { return m.backup })
	ratio := 0.0
	if f != nil {
		ratio = f.Ratio
	}
	d.pool = activePool(d.primaries, d.backups, ratio)
	return d.keep(in, func(i int) Standing {
		if members[i].backup == (d.pool == Backups) {
			return InUse
		}
		return StandsBy
	})
}

// near keeps those of the zone, while it is to take everything.
func (d *ruling) near(members []*member, in []int, z ZonalAffinity) []int {
	if !z.staysInZone(count(members, in, func(m *member) bool { return m.local })) {
		return in
	}
	return d.keep(in, func(i int) Standing {
		if members[i].local {
			return InUse
		}
		return OtherZone
	})
}

// keep returns those of in that stand InUse, and notes how the others stand.
func (d *ruling) keep(in []int, standing func(i int) Standing) []int {
	kept := in[:0]
	for _, i := range in {
		d.standings[i] = standing(i)
		if d.standings[i] == InUse {
			kept = append(kept, i)
		}
	}
	return kept
}

// count counts the members that belong, of those at the positions in.
func count(members []*member, in []int, belongs func(*member) bool) (t tally) {
	for _, i := range in {
		m := members[i]
		if !belongs(m) {
			continue
		}
		t.all++
		if isWell(m) {
			t.well++
		}
	}
	return t
}
