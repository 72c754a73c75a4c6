package lb

import (
	"context"
	"log/slog"
)

// Failover is what a service with backup groups does when primaries are ill
// (spec.md §9.3). Where it is set it also replaces PanicMode: what happens when
// nobody is healthy is its business.
type Failover struct {
	// Ratio is the part of the primaries, 0 to 1, below which the backups take
	// over. 0: only when no primary is healthy.
	Ratio float64
	// DropIfUnhealthy picks nobody while nobody is healthy. Default: all
	// primaries are picked then, ill as they are.
	DropIfUnhealthy bool
}

// A Pool is one half of a service with backups.
type Pool uint8

// The pools. A service without backups has primaries only.
const (
	Primaries Pool = iota
	Backups
)

// String gives the admin API's spelling.
func (p Pool) String() string {
	if p == Backups {
		return "BACKUP"
	}
	return "PRIMARY"
}

// A tally counts the endpoints of one kind that the operator lets take traffic,
// and those of them that are well.
type tally struct{ well, all int }

// ratioBelow reports whether fewer than this part are well. Where there is
// nobody, nobody is well.
func (t tally) ratioBelow(ratio float64) bool {
	return t.well == 0 || float64(t.well)/float64(t.all) < ratio
}

// activePool decides who takes new connections: the first rule that holds.
//
//	well primaries │ well backups │ well ÷ all primaries │ active
//	───────────────┼──────────────┼──────────────────────┼─────────────────────
//	0              │ 0            │ there are no others  │ backups, see below
//	0              │ 0            │                      │ primaries, see below
//	0              │ some         │                      │ backups
//	some           │ 0            │                      │ primaries
//	some           │ some         │ ≥ ratio              │ primaries
//	some           │ some         │ < ratio              │ backups
//
// In the first two rows DropIfUnhealthy makes it nobody, and that is eligible's
// business, as is what else keeps an endpoint of the active pool from traffic. The
// first one is for an operator who has drained all primaries: backups that are ill
// for a moment are then no reason to go where nobody is, and to cut who is there.
func activePool(primaries, backups tally, ratio float64) Pool {
	if backups.well > 0 && primaries.ratioBelow(ratio) || primaries.all == 0 && backups.all > 0 {
		return Backups
	}
	return Primaries
}

// logPool says that another pool has become active.
func logPool(o *Options, from Pool, d *ruling) {
	if d.pool == from {
		return
	}
	level, text := slog.LevelInfo, "failed back to the primaries"
	if d.pool == Backups {
		level, text = slog.LevelWarn, "failed over to the backups"
	}
	o.Log.LogAttrs(context.Background(), level, text,
		slog.String("service", o.Name),
		slog.Int("healthy_primaries", d.primaries.well),
		slog.Int("primaries", d.primaries.all),
		slog.Int("healthy_backups", d.backups.well),
		slog.Int("backups", d.backups.all))
}
