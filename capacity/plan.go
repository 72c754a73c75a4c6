package capacity

import "time"

// A Group is what Arrange needs to know of a group.
type Group struct {
	Name string
	Place
	Preferred bool
	// Target is what it can take: the backend's target times its scaler, in the
	// unit of its mode. 0: the operator wants nothing there. It does not depend on
	// health.
	Target float64
	// Unlimited: its Target says how much it gets beside others, and does not
	// limit it.
	Unlimited bool
	// Drained: it was drained automatically.
	Drained bool
	// Members and Healthy count the endpoints that the operator lets take
	// traffic, and those of them that are well.
	Members, Healthy int
	// Serving: somebody in it may be picked. A group that does not serve has its
	// place all the same, so that it gets its keys back when it does.
	Serving bool
	// RTT is how far its zone is; negative: not known, and then it is farther
	// than those that are.
	RTT time.Duration
}

// A Plan says in which order groups are filled, and with which shares. It is
// made from scratch whenever something changes, and never changes itself.
type Plan struct {
	// Tiers are in the order in which they are filled. Every group with a Target
	// is in exactly one, unless Strict isolation keeps it out.
	Tiers []Tier
	// Overfill is each group's part of what comes when everybody is full, by
	// position in the list that Arrange was given. They sum to 1 if somebody
	// serves.
	Overfill []float64
	// LastResort is the same for what Overfill's groups do not take either, because
	// their endpoints are at their Max: the parts, by target, of those in which
	// everybody is ill and that serve all the same (an open panic). All 0 if there are
	// none, or if Overfill is theirs.
	LastResort []float64
	// Isolated: every tier is of one region. What it cannot take because it is full
	// goes to tiers of the same region only, and is overfilled there.
	Isolated bool
}

// A Tier is groups that are filled together.
type Tier struct {
	// Region is that of its groups; "" for a tier of several.
	Region string
	// Groups are positions in the list that Arrange was given, in the order of
	// the groups' names.
	Groups []int
	// Shares are the groups' parts of what the tier takes, by effective weight:
	// target × availability, 0 for those that do not serve. They sum to 1, or are
	// all 0.
	Shares []float64
	// Local are the same for the groups in the proxy's own zone alone; see Bias for
	// how much goes by them. Nil where there is no bias: by all but
	// WaterfallByRegion, where nobody serves in that zone or nobody elsewhere, and
	// while a group is Unlimited, for then nobody knows when the region is idle.
	Local []float64
	// Entry is the part of all traffic that starts here, and goes on to the next
	// tiers from here when it is full, and after the last one to those before: 1
	// for the first tier unless too many are ill. They sum to 1 over the tiers if
	// somebody serves. A tier in which nobody does has 0.
	Entry float64
}
