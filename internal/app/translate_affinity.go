package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/config"
)

// affinityOf is how a service names its clients. own is the process's own key for
// strong cookies.
func affinityOf(cfg *config.Config, s *config.Service, own affinity.Key) (affinity.Rule, error) {
	kind, err := affinity.ParseKind(s.SessionAffinity)
	if err != nil {
		return affinity.Rule{}, fmt.Errorf("service %q: %w", s.Name, err)
	}
	rule := affinity.Rule{Kind: kind, Seed: uint64(cfg.Proxy.HashSeed), Service: s.Name}
	switch {
	case kind.NeedsHeader():
		rule.Header = s.ConsistentHash.HTTPHeaderName
	case kind.NeedsCookie():
		c := s.ConsistentHash.HTTPCookie
		rule.Cookie = affinity.Cookie{Name: c.Name, Path: c.Path, TTL: time.Duration(c.TTL)}
	case kind == affinity.StrongCookie:
		c := s.StrongSessionAffinityCookie
		rule.Cookie = affinity.Cookie{Name: c.Name, Path: c.Path, TTL: time.Duration(c.TTL)}
		rule.Strict = c.Strict
		if rule.Keys, err = keyringOf(c, own); err != nil {
			return rule, fmt.Errorf("service %q: %w", s.Name, err)
		}
	}
	return rule, rule.Validate()
}

// keyringOf is the file's keys, and behind them the process's own: where the file has
// none that one seals, and when it gets some the sessions that there are go on.
func keyringOf(c *config.StrongCookie, own affinity.Key) (*affinity.Keyring, error) {
	keys := make([]affinity.Key, 0, len(c.Keys)+1)
	for _, text := range c.Keys {
		key, err := affinity.ParseKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return affinity.NewKeyring(append(keys, own)...)
}

// restoreCookieKey makes a predecessor's key the process's own. Nobody is served yet, so
// that the services, which never change, still may.
func (a *App) restoreCookieKey(key []byte) error {
	if len(key) != len(a.cookieKey) {
		return errors.New("it has told no key of its own")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cookieKey = affinity.Key(key)
	for i := range a.cfg.Services {
		s := &a.cfg.Services[i]
		if !s.IsStrong() {
			continue
		}
		ring, err := keyringOf(s.StrongSessionAffinityCookie, a.cookieKey)
		if err != nil {
			return err
		}
		a.faces[s.Name].Affinity.Keys = ring
	}
	return nil
}
