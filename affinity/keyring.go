package affinity

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Key seals strong cookies: 32 random bytes, known to the proxies of a fleet and to nobody else.
type Key [chacha20poly1305.KeySize]byte

// NewKey returns a random key.
func NewKey() (k Key) {
	rand.Read(k[:]) // never fails: the program ends instead (crypto/rand)
	return k
}

// ParseKey reads the base64 of 32 bytes, in the alphabet of RFC 4648 §4 as `openssl rand -base64 32` writes it. The
// error does not quote what it was given.
func ParseKey(s string) (k Key, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("affinity: a key is the base64 of %d bytes", len(k))
	}
	return Key(b), nil
}

// String names the key without telling it, so that none gets into a log.
func (k Key) String() string {
	id := k.id()
	return "key " + hex.EncodeToString(id[:])
}

// GoString is String, for the verb %#v.
func (k Key) GoString() string { return k.String() }

// A keyID stands in each cookie in the clear, and says which key has sealed it.
type keyID [4]byte

// id is derived from the key by a hash that tells nothing of it. The words in front keep it apart from any other hash
// of the same key.
func (k Key) id() keyID {
	sum := sha256.Sum256(append([]byte("spillway strong cookie key id\x00"), k[:]...))
	return keyID(sum[:])
}

// A Keyring has the keys of strong cookies: the first seals, and all open. It never changes, and any number of
// goroutines may use it.
type Keyring struct {
	keys  []Key
	ids   []keyID
	aeads []cipher.AEAD
}

// NewKeyring returns a ring of these keys, of which there must be one at least, and none twice.
// Two of 4 billion have the same id in the clear, and are taken for one.
func NewKeyring(keys ...Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("affinity: a keyring needs a key")
	}
	r := &Keyring{keys: slices.Clone(keys)}
	for _, k := range keys {
		if slices.Contains(r.ids, k.id()) {
			return nil, fmt.Errorf("affinity: %v is in the keyring twice", k)
		}
		aead, err := chacha20poly1305.NewX(k[:])
		if err != nil {
			return nil, err
		}
		r.ids, r.aeads = append(r.ids, k.id()), append(r.aeads, aead)
	}
	return r, nil
}

// Keys are those of the ring in its order, for a process that takes over from this one. They are a copy, and secret.
func (r *Keyring) Keys() []Key { return slices.Clone(r.keys) }

// Equal reports whether two rings have the same keys in the same order. Either may be nil.
func (r *Keyring) Equal(other *Keyring) bool {
	if r == nil || other == nil {
		return r == other
	}
	return slices.Equal(r.keys, other.keys)
}
