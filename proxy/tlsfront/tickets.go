package tlsfront

import (
	"crypto/rand"
	"time"
)

const (
	// ticketKeyLife is how long a key makes session tickets. Who steals the keys
	// can read what was said under them, so that is not for ever.
	ticketKeyLife = 24 * time.Hour
	// ticketKeys is how many there are: one makes tickets, the older ones still
	// open theirs.
	ticketKeys = 3
)

// A keyring has the keys of session tickets, the newest first.
type keyring struct {
	keys  [][32]byte
	since time.Time // when the newest was made
}

// turn makes a new key if it is time, and reports whether it did.
func (k *keyring) turn(now time.Time) bool {
	if len(k.keys) > 0 && now.Sub(k.since) < ticketKeyLife {
		return false
	}
	var key [32]byte
	rand.Read(key[:]) // never fails
	old := k.keys[:min(len(k.keys), ticketKeys-1)]
	k.keys, k.since = append([][32]byte{key}, old...), now
	return true
}

// forget makes all tickets worthless.
func (k *keyring) forget(now time.Time) {
	k.keys = nil
	k.turn(now)
}
