package app

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/lb"
)

// An outset is what a process tells its successor at the beginning: what groups have
// found. A source that is down at that moment costs nobody their endpoints then, as it
// costs nobody theirs in a reload.
type outset struct {
	Found map[string][]discovery.Endpoint `json:"found,omitempty"` // by group
}

func (a *App) outset() outset {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := outset{Found: make(map[string][]discovery.Endpoint)}
	for group, f := range a.finders {
		o.Found[group] = f.watcher.Endpoints()
	}
	return o
}

// A state is what a process tells its successor at the end: what was said to it, and is in no
// file, and what it has found out about endpoints.
type state struct {
	// Endpoints are those that are not READY, and Groups those whose scaler is not the
	// file's, by service.
	Endpoints map[string]map[string]string  `json:"endpoints,omitempty"`
	Scalers   map[string]map[string]float64 `json:"scalers,omitempty"`
	// CookieKey is App.CookieKey.
	CookieKey []byte `json:"cookie_key,omitempty"`
	// Knowledge is that of the balancers, by service. It is for them to understand, and
	// where it is something else altogether the rest of a state is good all the same.
	Knowledge json.RawMessage `json:"knowledge,omitempty"`
}

func (a *App) state() *state {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &state{Endpoints: make(map[string]map[string]string), Scalers: make(map[string]map[string]float64), CookieKey: a.cookieKey[:]}
	knowledge := make(map[string]json.RawMessage, len(a.services))
	for _, service := range a.services {
		knowledge[service.spec.Name] = service.balancer.Knowledge()
		words, scalers := service.balancer.Words()
		for id, word := range words {
			put(s.Endpoints, service.spec.Name, id, word.String())
		}
		for group, scaler := range scalers {
			put(s.Scalers, service.spec.Name, group, scaler)
		}
	}
	s.Knowledge, _ = json.Marshal(knowledge) // it is JSON already
	return s
}

func put[V any](m map[string]map[string]V, service, member string, v V) {
	if m[service] == nil {
		m[service] = make(map[string]V)
	}
	m[service][member] = v
}

// restore applies what a predecessor has told. What the file has no more is past.
func (a *App) restore(s *state) {
	if err := a.restoreCookieKey(s.CookieKey); err != nil {
		a.log.Warn("strong sessions of the other process are lost", "error", err)
	}
	for service, words := range s.Endpoints {
		for id, word := range words {
			w, err := lb.ParseAdmin(word)
			if b := a.Balancer(service); b != nil && err == nil {
				err = b.SetAdmin(id, w)
			}
			if err != nil {
				a.log.Info("the operator's word is for nobody any more", "service", service, "endpoint", id, "admin", word, "error", err)
			}
		}
	}
	a.restoreScalers(s.Scalers)
	a.restoreKnowledge(s.Knowledge)
}

func (a *App) restoreScalers(all map[string]map[string]float64) {
	for service, scalers := range all {
		groups := slices.SortedFunc(maps.Keys(scalers), func(a, b string) int {
			return cmp.Compare(scalers[b], scalers[a]) // 0 last: it is refused while nobody has more
		})
		for _, group := range groups {
			b := a.Balancer(service)
			if b == nil {
				break
			}
			if err := b.SetScaler(group, scalers[group]); err != nil {
				a.log.Info("the capacity scaler is for nobody any more", "service", service, "group", group, "scaler", scalers[group], "error", err)
			}
		}
	}
}

// restoreKnowledge has balancers know of their endpoints what a predecessor's knew. Its
// predecessor may be older than any knowledge, and newer than what is understood here.
func (a *App) restoreKnowledge(text json.RawMessage) {
	if text == nil {
		return
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		a.log.Warn("what the other process knows of endpoints is not understood", "error", err)
	}
	for service, knowledge := range all {
		b := a.Balancer(service)
		if b == nil {
			continue
		}
		if err := b.Restore(knowledge); err != nil {
			a.log.Warn("what the other process knows of endpoints is not understood", "service", service, "error", err)
		}
	}
}
