package capacity

import "math"

// Bias is the part of a tier's traffic that goes by Tier.Local, the rest goes by
// Tier.Shares: all of it while the tier is at most 0.1 full, none from 0.5 on,
// and in between along a straight line. The bounds are ours: spec.md §3.3 knows
// of no others.
func Bias(fullness float64) float64 {
	const allLocal, proportional = 0.1, 0.5
	return max(0, min(1, (proportional-fullness)/(proportional-allLocal)))
}

// Fill returns the part of demand that each group gets by the plan while nothing
// changes, by position in groups, which is the list that Arrange was given
// (spec.md §3.2). The parts sum to 1 if somebody serves. Demand is in the unit of
// the targets; with a demand of 0 nobody is ever full.
func (p Plan) Fill(groups []Group, demand float64) []float64 {
	if !(demand > 0) {
		demand = 0
	}
	f := filling{groups, p.Overfill, demand, make([]float64, len(groups))}
	for _, scope := range p.scopes() {
		f.fill(scope)
	}
	return f.parts
}

// scopes are the tiers between which overflow goes.
func (p Plan) scopes() [][]Tier {
	if !p.Isolated {
		return [][]Tier{p.Tiers}
	}
	var scopes [][]Tier
	at := make(map[string]int)
	for _, t := range p.Tiers {
		i, ok := at[t.Region]
		if !ok {
			i = len(scopes)
			at[t.Region] = i
			scopes = append(scopes, nil)
		}
		scopes[i] = append(scopes[i], t)
	}
	return scopes
}

// A filling pours a demand into groups.
type filling struct {
	groups   []Group
	overfill []float64
	demand   float64
	parts    []float64 // of the demand, that groups have taken
}

// fill pours what enters at each tier into it and the next ones. What the last
// ones have no room for tries those before; what is left then is too much.
func (f *filling) fill(tiers []Tier) {
	rest := 0.0
	for _, t := range tiers {
		rest = f.enter(t, rest+t.Entry)
	}
	for _, t := range tiers {
		rest = f.pour(t.Groups, t.Shares, rest)
	}
	f.spread(tiers, rest)
}

// enter pours amount into t and returns what it has no room for.
func (f *filling) enter(t Tier, amount float64) float64 {
	if t.Local != nil && amount > 0 {
		bias := Bias(f.fullness(t, amount))
		blend := make([]float64, len(t.Shares))
		for i := range blend {
			blend[i] = bias*t.Local[i] + (1-bias)*t.Shares[i]
		}
		amount = f.pour(t.Groups, blend, amount)
	}
	return f.pour(t.Groups, t.Shares, amount)
}

// fullness is that of a tier that amount is poured into.
func (f *filling) fullness(t Tier, amount float64) float64 {
	capacity := 0.0
	for i, g := range t.Groups {
		if t.Shares[i] > 0 {
			capacity += f.groups[g].Target
		}
	}
	return amount * f.demand / capacity
}

// pour gives amount to groups in proportion to shares, as long as they have
// room, and returns the rest.
func (f *filling) pour(groups []int, shares []float64, amount float64) (rest float64) {
	full := make([]bool, len(groups))
	for amount > 0 {
		sum, next := 0.0, -1
		level := math.Inf(1) // the next group is full when each has got so many times its share
		for i, g := range groups {
			if shares[i] <= 0 || full[i] {
				continue
			}
			sum += shares[i]
			if l := f.room(g) / shares[i]; l < level {
				level, next = l, i
			}
		}
		if sum == 0 {
			return amount
		}
		if level >= amount/sum {
			level, next = amount/sum, -1
		}
		for i, g := range groups {
			if shares[i] > 0 && !full[i] {
				f.parts[g] += level * shares[i]
			}
		}
		if next < 0 {
			return 0
		}
		full[next] = true
		amount -= level * sum
	}
	return 0
}

// room is what a group can take yet.
func (f *filling) room(g int) float64 {
	if f.groups[g].Unlimited || f.demand == 0 {
		return math.Inf(1)
	}
	return max(0, f.groups[g].Target/f.demand-f.parts[g])
}

// spread gives what is too much for all groups to all of them.
func (f *filling) spread(tiers []Tier, amount float64) {
	sum := 0.0
	for _, t := range tiers {
		for _, g := range t.Groups {
			sum += f.overfill[g]
		}
	}
	if amount <= 0 || sum == 0 {
		return
	}
	for _, t := range tiers {
		for _, g := range t.Groups {
			f.parts[g] += amount * f.overfill[g] / sum
		}
	}
}
