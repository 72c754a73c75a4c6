package lb

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// This file is about what a balancer tells the one that takes its place, in another
// process, which may be of an older or a newer version.

// knowledgeVersion rises when whoever reads the version before would misunderstand
// what is written. What is merely more does not matter: unknown fields are passed over.
const knowledgeVersion = 1

// knowledge is what is written. E is known, or what may turn out to be one.
type knowledge[E any] struct {
	Version   int          `json:"version"`
	Endpoints map[string]E `json:"endpoints"`
}

// known is what is known of an endpoint. Times are in nanoseconds, from when it was
// written.
type known struct {
	Addr     string         `json:"addr"`
	Health   *knownHealth   `json:"health,omitempty"`
	Ejection *knownEjection `json:"ejection,omitempty"`
	Warming  *knownWarming  `json:"warming,omitempty"` // none: it is warm
}

// knownHealth is a health.Record, and by which check it was found.
type knownHealth struct {
	Check  string        `json:"check"`
	Status string        `json:"status"`
	Reason string        `json:"reason,omitempty"`
	Streak int           `json:"streak"`
	For    time.Duration `json:"for,omitempty"`
	Hold   time.Duration `json:"hold,omitempty"`
	Fell   time.Duration `json:"fell,omitempty"`
	Rose   time.Duration `json:"rose,omitempty"`
}

// knownEjection is a health.Ejection.
type knownEjection struct {
	Left   time.Duration `json:"left,omitempty"`
	Since  time.Duration `json:"since,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Row    int           `json:"row,omitempty"`
}

// knownWarming is how far an endpoint has come.
type knownWarming struct {
	Cold bool          `json:"cold,omitempty"` // it is still to begin
	Age  time.Duration `json:"age,omitempty"`
	Part uint32        `json:"part,omitempty"` // of balance.Fine, the most that it has had
}

// Knowledge returns what the balancer has found out about its endpoints that matters
// for traffic: health with its reason and streak, ejections and how long the next one
// would be, and how far endpoints have warmed up. Counters are not part of it, nor is what
// the operator has said, see Words. It is JSON, for the Restore of a balancer that
// takes this one's place in another process, soon: times go on from then.
func (b *Balancer) Knowledge() []byte {
	all := knowledge[known]{Version: knowledgeVersion}
	_ = b.write(func(s *state) (bool, error) {
		now, prints := s.flow.clock(), make(prints)
		all.Endpoints = make(map[string]known, len(s.members))
		for _, m := range s.members {
			all.Endpoints[m.endpoint.ID] = known{
				Addr:     m.endpoint.Addr,
				Health:   s.knownHealth(m, prints),
				Ejection: m.knownEjection(s.flow.at(now)),
				Warming:  m.knownWarming(now),
			}
		}
		return false, nil
	})
	text, _ := json.Marshal(all) // strings and whole numbers: nothing can go wrong
	return text
}

// prints are fingerprints of checks: few, of many endpoints.
type prints map[health.Check]string

func (p prints) of(c health.Check) string {
	if _, ok := p[c]; !ok {
		p[c] = c.Fingerprint()
	}
	return p[c]
}

// knownHealth is of an endpoint that is checked. What SetHealth says where there is no
// check is to be said anew.
func (s *state) knownHealth(m *member, prints prints) *knownHealth {
	if s.opt.HealthCheck == nil || !m.checked || m.health == health.Unknown {
		return nil
	}
	var r health.Record
	if m.isWatched() {
		r = m.watch.probe.Record()
	}
	if r.Status == health.Unknown { // by a check that is new, which knows no better yet
		r.Status, r.Reason = m.health, m.reason
	}
	return &knownHealth{
		Check:  prints.of(s.opt.checkOf(m)),
		Status: r.Status.String(),
		Reason: r.Reason,
		Streak: r.Streak,
		For:    r.For,
		Hold:   r.Hold,
		Fell:   r.Fell,
		Rose:   r.Rose,
	}
}

func (m *member) isWatched() bool { return m.watch != nil && m.watch.probe != nil }

func (m *member) knownEjection(now time.Time) *knownEjection {
	e := m.suspect.Ejection(now)
	if e == (health.Ejection{}) {
		return nil
	}
	return &knownEjection{Left: e.Left, Since: e.Since, Reason: e.Reason.String(), Row: e.Row}
}

func (m *member) knownWarming(now int64) *knownWarming {
	switch w := m.warming; {
	case w.out || !w.settled:
		return &knownWarming{Cold: true}
	case w.since != 0:
		return &knownWarming{Age: time.Duration(now - w.since), Part: w.counts}
	}
	return nil
}

// Restore makes what another balancer's Knowledge says of endpoints that are here, at
// the same address, what is known of them: whoever was UNHEALTHY there, or ejected, is
// picked no more than there, and whoever was HEALTHY needs no check for it. It is for a
// balancer that has not been picked from yet. The rules of the options hold:
//
//	health     by the same check, see health.Check.Fingerprint; another one looks for
//	           itself. Checks that Run makes follow upon it
//	ejections  go on as far as MaxEjectionPercent permits it, and not for longer than
//	           an ejection lasts here
//	warm-ups   go on from where they were
//
// What is not understood is passed over, and the error says so; all else has been
// restored then. When it returns, picks see what is known.
func (b *Balancer) Restore(text []byte) error {
	all, err := readKnowledge(text)
	records := b.recordsOf(all)
	for probe, record := range records.probes {
		probe.Restore(record) // its watchers are told: by the inbox, before the write that follows
	}
	return cmp.Or(b.write(func(s *state) (bool, error) {
		now := s.flow.clock()
		for id, k := range all {
			if m := s.find(id); m != nil && m.endpoint.Addr == k.Addr {
				if r, ok := records.others[id]; ok {
					m.health, m.checked, m.reason = r.Status, true, ""
					if r.Status != health.Healthy {
						m.reason = r.Reason
					}
				}
				s.resume(m, k, now)
			}
		}
		return false, nil
	}), err)
}

// readKnowledge returns what can be understood of text, and says what cannot.
func readKnowledge(text []byte) (map[string]*known, error) {
	var raw knowledge[json.RawMessage]
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("lb: nothing of the other balancer's knowledge is understood: %w", err)
	}
	if raw.Version != knowledgeVersion {
		return nil, fmt.Errorf("lb: nothing of the other balancer's knowledge is understood: it is of version %d, want %d", raw.Version, knowledgeVersion)
	}
	all := make(map[string]*known, len(raw.Endpoints))
	var first error
	bad := 0
	for _, id := range slices.Sorted(maps.Keys(raw.Endpoints)) {
		k, err := readKnown(raw.Endpoints[id])
		if err != nil {
			bad++
			first = cmp.Or(first, fmt.Errorf("%q: %w", id, err))
			continue
		}
		all[id] = k
	}
	if bad > 0 {
		return all, fmt.Errorf("lb: the other balancer's knowledge of %d of %d endpoints is not understood, such as of %w", bad, len(raw.Endpoints), first)
	}
	return all, nil
}

func readKnown(text []byte) (*known, error) {
	k := new(known)
	if err := json.Unmarshal(text, k); err != nil {
		return nil, err
	}
	if k.Health != nil {
		if _, err := health.ParseStatus(k.Health.Status); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// records are of endpoints that are here and are checked as they were: those that Run
// has checked already, by who checks them, and the others, by ID.
type records struct {
	probes map[*health.Probe]health.Record
	others map[string]health.Record
}

func (b *Balancer) recordsOf(all map[string]*known) records {
	r := records{make(map[*health.Probe]health.Record), make(map[string]health.Record)}
	b.mu.Lock()
	defer b.mu.Unlock()
	s, prints := &b.state, make(prints)
	if s.opt.HealthCheck == nil {
		return r
	}
	for id, k := range all {
		m := s.find(id)
		if m == nil || m.endpoint.Addr != k.Addr || k.Health == nil || k.Health.Check != prints.of(s.opt.checkOf(m)) {
			continue
		}
		if record := k.Health.record(); record.Status == health.Unknown || record.Status == health.Draining {
			continue // which no check finds
		} else if m.isWatched() && *m.watch.check == s.opt.checkOf(m) {
			r.probes[m.watch.probe] = record
		} else {
			r.others[id] = record
		}
	}
	return r
}

func (k *knownHealth) record() health.Record {
	status, _ := health.ParseStatus(k.Status) // readKnown has tried that
	return health.Record{Status: status, Reason: k.Reason, Streak: k.Streak, For: k.For, Hold: k.Hold, Fell: k.Fell, Rose: k.Rose}
}

// resume goes on with m's ejection and warm-up.
func (s *state) resume(m *member, k *known, now int64) {
	if e := k.Ejection; e != nil && s.opt.Outlier != nil && !m.suspect.Ejected {
		m.suspect.Resume(s.opt.Outlier, health.Ejection{
			Left: e.Left, Since: e.Since, Reason: health.ParseOutlierReason(e.Reason), Row: e.Row,
		}, s.flow.at(now))
		if m.suspect.Ejected {
			m.live.ejected.Store(true)
			logResumed(&s.opt, m, now, s.flow)
		}
	}
	m.warming = k.Warming.resume(s.opt.SlowStart, now)
}

// resume is the warming of one of which k, or nil, is known. Whoever is ill is out
// whatever that says, see noteCold.
func (k *knownWarming) resume(slow *SlowStart, now int64) warming {
	switch {
	case k == nil, slow == nil && !k.Cold:
		return warming{settled: true}
	case k.Cold:
		return warming{}
	case k.Age >= slow.Window:
		return warming{settled: true}
	}
	w := warming{settled: true, age: max(k.Age, 0), counts: min(k.Part, balance.Fine)}
	w.since = cmp.Or(now-int64(w.age), -1) // 0 says that it does not warm up
	return w
}

func logResumed(o *Options, m *member, now int64, f *flow) {
	o.Log.LogAttrs(context.Background(), slog.LevelInfo, "endpoint is still ejected",
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("reason", m.suspect.Reason.String()),
		slog.Duration("for", m.suspect.Until.Sub(f.at(now))))
}
