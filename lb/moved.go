package lb

import "github.com/spillway-lb/spillway/balance"

// This file answers what belongs to whom without picking: for those who compare two
// files. Keys are hashes, and where nobody is full a key's endpoint is in the tables.

// Owner returns the endpoint that a key belongs to, where Pick finds it as long as
// nobody is full; nil where there is nobody or the policy does not go by keys.
func (s *Snapshot) Owner(key uint64) *balance.Endpoint {
	if !balance.MapsKeys(s.picker) {
		return nil
	}
	return s.picker.Pick(balance.Request{Key: key, Keyed: true})
}

// KeyParts returns which part of all keys belongs to whom, by ID; nil where there is
// nobody or the policy does not go by keys.
func (s *Snapshot) KeyParts() []balance.Part { return balance.Parts(s.picker) }

// Moved returns the part of all keys, from 0 to 1, that belong to another endpoint in
// next than in prev. ok is false unless both policies go by keys.
func Moved(prev, next *Snapshot) (part float64, ok bool) {
	return balance.Moved(prev.picker, next.picker)
}
