package config

import (
	"crypto/sha256"
	"encoding/hex"
)

// Fingerprint is the same for two Configs that mean the same: a hash of what Print
// writes. What is filled in by the machine that reads the file, the name of its
// host and its engine, does not count, so that one file has one fingerprint
// everywhere, and neither do warnings. Nothing of the file can be told from it.
func (c *Config) Fingerprint() string {
	same := *c
	same.Proxy.ID, same.Proxy.Engine, same.Proxy.Loops = "", "", 0
	h := sha256.New()
	_ = same.Print(h) // a hash takes everything
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
