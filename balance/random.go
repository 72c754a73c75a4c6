package balance

// Random returns the policy RANDOM: each pick is independent of all others, an
// endpoint's chance is its share. It needs no state, so it suits many balancers
// in front of few endpoints, and gives the least even load (spec.md §4.4).
func Random() Policy { return newRandom }

type random struct {
	endpoints []*Endpoint
	shares    aliasTable
	dice      *dice
}

func newRandom(c []Candidate) Picker {
	in := pickable(c)
	if len(in) == 0 {
		return nobody{}
	}
	return &random{endpoints: endpointsOf(in), shares: newAliasTable(in)}
}

func (p *random) Pick(Request) *Endpoint {
	return p.endpoints[p.shares.draw(p.dice.roll())]
}

func (p *random) use(d *dice) { p.dice = d }
