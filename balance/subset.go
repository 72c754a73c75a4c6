package balance

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Subset ranks endpoints for one balancer of many, and returns the positions of
// the first size of them, the best first: all of them where there are no more
// than size. addrs are their addresses, and seed is the balancer's own, see
// [SubsetSeed].
//
// It is rendezvous hashing (spec.md §6, gRFC A68): the score of an endpoint is
// XXH64 of its address with the seed, and the lowest go first. So an endpoint
// that comes or goes changes at most one other's place in the subset, the ranking
// does not depend on the order of addrs, and each balancer has another subset,
// which together are about even. A caller that needs more than size takes those
// that come next: Subset(seed, addrs, len(addrs)) begins with every smaller one.
func Subset(seed uint64, addrs []string, size int) []int {
	scores := make([]uint64, len(addrs))
	ranked := make([]int, len(addrs))
	digest := xxhash.NewWithSeed(seed)
	for i, addr := range addrs {
		digest.ResetWithSeed(seed)
		_, _ = digest.WriteString(addr) // a digest takes everything
		scores[i], ranked[i] = digest.Sum64(), i
	}
	slices.SortFunc(ranked, func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(addrs[a], addrs[b]), cmp.Compare(a, b))
	})
	return ranked[:min(max(size, 0), len(ranked))]
}

// SubsetSeed is the seed of a balancer that has a name of its own, such as the
// proxy's id: XXH64 of it, so that it has the same subset after a restart.
func SubsetSeed(name string) uint64 { return xxhash.Sum64String(name) }
