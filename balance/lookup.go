package balance

import (
	"fmt"
	"strings"
)

// The defaults that [Lookup] and a 0 given to a constructor stand for.
const (
	DefaultChoices    = 2       // LEAST_REQUEST: samples per pick
	DefaultBias       = 1       // LEAST_REQUEST: how much load counts against weight
	DefaultMinRing    = 1024    // RING_HASH: points at least
	DefaultMaxRing    = 8388608 // RING_HASH: points at most
	DefaultMaglevSize = 65537   // MAGLEV, WEIGHTED_MAGLEV: slots
)

// policies is every policy there is, by its name in the file.
var policies = []struct {
	name   string
	policy Policy
}{
	{"ROUND_ROBIN", RoundRobin()},
	{"LEAST_REQUEST", LeastRequest(DefaultChoices, DefaultBias)},
	{"RANDOM", Random()},
	{"RING_HASH", RingHash(DefaultMinRing, DefaultMaxRing)},
	{"MAGLEV", Maglev(DefaultMaglevSize)},
	{"WEIGHTED_MAGLEV", WeightedMaglev(DefaultMaglevSize)},
	{"WEIGHTED_ROUND_ROBIN", WeightedRoundRobin()},
}

// originalDestination is a policy as well, but no choice for everybody.
const originalDestination = "ORIGINAL_DESTINATION"

// Lookup returns the policy of that name with its defaults, ignoring case. An
// unknown name is an error that lists the known ones.
func Lookup(name string) (Policy, error) {
	for _, p := range policies {
		if strings.EqualFold(p.name, name) {
			return p.policy, nil
		}
	}
	if strings.EqualFold(originalDestination, name) {
		return OriginalDestination(), nil
	}
	return nil, fmt.Errorf("balance: unknown policy %q; known are %s, %s", name, strings.Join(Names(), ", "), originalDestination)
}

// Names returns the names of the policies that spread traffic, the default first.
// [Lookup] knows one more, ORIGINAL_DESTINATION, which picks nobody for a client
// that was not redirected to us.
func Names() []string {
	names := make([]string, len(policies))
	for i, p := range policies {
		names[i] = p.name
	}
	return names
}
