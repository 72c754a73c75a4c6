package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

// reason says in a sentence what an explanation comes to.
func reason(v *admin.Explanation, x *lb.Explanation) string {
	switch x.How {
	case lb.NotFound:
		return nobody(x)
	case lb.BySession:
		return "its session is on it"
	case lb.ByAlternative:
		return whichGroup(v, x) + fmt.Sprintf("whom %s would have cannot be had, and this is who comes next", v.Policy)
	}
	return whichGroup(v, x) + turns(v)
}

// whichGroup says how the group was chosen; nothing without capacities.
func whichGroup(v *admin.Explanation, x *lb.Explanation) string {
	from, to := groupIn(x, x.Home), groupIn(x, x.Group)
	switch {
	case to == nil:
		return ""
	case x.Overfilled:
		return fmt.Sprintf("every group is full, so that all take more in proportion to capacity, and this is %s's; ", x.Group)
	case from == nil || x.Home == x.Group:
		if v.Key == "" {
			return fmt.Sprintf("group %s has room; ", x.Group)
		}
		return fmt.Sprintf("the key belongs to group %s, which has room; ", x.Group)
	}
	because := map[string]string{
		lb.DroppedGroupFull:     "is full",
		lb.DroppedGroupCrowded:  "is nearly full",
		lb.DroppedKeyTurnedAway: "has more keys than it can serve, and does not keep this one",
	}[from.Dropped]
	if because == "" {
		because = "has nobody who can be had"
	}
	if from.Tier == to.Tier {
		return fmt.Sprintf("group %s %s, and group %s beside it has room; ", x.Home, because, x.Group)
	}
	return fmt.Sprintf("group %s %s, and so it spills to group %s of tier %d; ", x.Home, because, x.Group, to.Tier)
}

func groupIn(x *lb.Explanation, name string) *lb.GroupExplained {
	for i := range x.Tiers {
		for j := range x.Tiers[i].Groups {
			if g := &x.Tiers[i].Groups[j]; g.Name == name {
				return g
			}
		}
	}
	return nil
}

// turns says how the policy chose.
func turns(v *admin.Explanation) string {
	switch {
	case v.Policy == "ORIGINAL_DESTINATION":
		return "the client has dialed it"
	case v.Policy == "LEAST_REQUEST":
		return "it has the fewest requests under way, for its weight, of those that were compared"
	case v.Policy == "RANDOM":
		return "it was drawn at random, by weight"
	case strings.HasSuffix(v.Policy, "ROUND_ROBIN"):
		return "it was its turn"
	case v.Key == "":
		return fmt.Sprintf("there is no key, so %s draws at random", v.Policy)
	}
	return fmt.Sprintf("%s gives the key to it", v.Policy)
}

// nobody counts the reasons for which nobody can be had.
func nobody(x *lb.Explanation) string {
	if len(x.Candidates) == 0 {
		return "nobody can be had: the service has no endpoints"
	}
	counts := make(map[string]int)
	for _, c := range x.Candidates {
		counts[c.Dropped]++
	}
	var parts []string
	for why, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, why))
	}
	slices.Sort(parts)
	if errors.Is(x.Err, lb.ErrSaturated) {
		return "nobody can be had: " + noRoom(x, counts[""] > 0, strings.Join(parts, ", ")) + queueing(x)
	}
	return "nobody can be had: " + strings.Join(parts, ", ")
}

// noRoom says which limit is reached. anybody: some endpoint has room all the same.
func noRoom(x *lb.Explanation, anybody bool, dropped string) string {
	switch limit := lb.LimitOf(x.Err); {
	case limit == lb.MaxConnections:
		return fmt.Sprintf("max_connections of the service is reached, %d of %d are taken", x.Queue.Active, x.Queue.Limits.MaxConnections)
	case limit == lb.MaxRequests:
		return fmt.Sprintf("max_requests of the service is reached, %d of %d are under way", x.Queue.Active, x.Queue.Limits.MaxRequests)
	case anybody && x.Queue != nil && x.Queue.Queued > 0:
		return "others wait already, and come first"
	}
	return "all hold as much as their max allows (" + dropped + ")"
}

// queueing says what becomes of a request that comes when all is taken.
func queueing(x *lb.Explanation) string {
	switch q := x.Queue; {
	case q == nil || !lb.CanWait(x.Err):
		return "; it is refused at once"
	case q.Limits.MaxPendingRequests > 0 && q.Queued >= q.Limits.MaxPendingRequests:
		return fmt.Sprintf("; it is refused at once, for %d wait already, as many as max_pending_requests allows", q.Queued)
	default:
		return fmt.Sprintf("; it waits, as %d do already, for at most %v (pending_timeout)", q.Queued, q.Limits.PendingTimeout)
	}
}

// warming says of what a policy does not give all that is due at present.
func warming(x *lb.Explanation) (notes []string) {
	if x.Sheds > 0 {
		notes = append(notes, fmt.Sprintf("too few endpoints are healthy: %.3g %% of the requests are refused, and this is about the others", 100*x.Sheds))
	}
	for _, c := range x.Candidates {
		if c.Warm < 1 {
			notes = append(notes, fmt.Sprintf("%s warms up: it has %.0f %% of its weight", c.Endpoint.ID, 100*c.Warm))
		}
	}
	return notes
}
