package lb

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// PanicMode says what to do when too few endpoints are healthy.
type PanicMode uint8

const (
	// PanicClosed picks nobody: requests fail fast and the few that are well
	// are not run over.
	PanicClosed PanicMode = iota
	// PanicOpen picks everybody, well or not: a checker that is wrong about all
	// of them does no harm.
	PanicOpen
	// PanicShed picks those that are well, for as many requests as are their part
	// when all are: by weight, the part of the service that is well. So each gets
	// what it always gets, and no more. The others fail at once with ErrShed, evenly
	// spread over whoever asks; no key or session is spared. A request that avoids
	// somebody, or waits for somebody, was let in before, and is not asked again. With a
	// threshold of 0, where nobody is well in a panic, it is the same as PanicClosed.
	PanicShed
)

// String gives the spelling of the file: "closed", "open", "shed".
func (p PanicMode) String() string {
	switch p {
	case PanicClosed:
		return "closed"
	case PanicOpen:
		return "open"
	case PanicShed:
		return "shed"
	default:
		return fmt.Sprintf("PanicMode(%d)", uint8(p))
	}
}

// panics decides whether there is a panic among those at the positions in. Where
// there is nobody to be healthy there is none.
func (d *ruling) panics(members []*member, in []int, threshold int) bool {
	d.asked, d.well = len(in), countWell(members, in)
	d.panic = d.asked > 0 && tooFew(d.well, d.asked, threshold)
	return d.panic
}

// shed says what part of the requests those cannot take that may be picked, of those
// at the positions in.
func (d *ruling) shed(in []int, picked func(i int) bool) {
	var well, all uint64
	for _, i := range in {
		all += uint64(d.weights[i])
		if picked(i) {
			well += uint64(d.weights[i])
		}
	}
	if well > 0 {
		d.sheds = 1 - float64(well)/float64(all)
	}
}

// A shedding refuses a part of the requests. It is nil while none is to be refused.
type shedding struct {
	part float64
	of64 uint64 // the same, of 2⁶⁴
	flow *flow
}

// refuses decides about one request: one in so many is refused, whichever row of
// them one looks at.
func (s *shedding) refuses(r *Request) bool {
	if s == nil || len(r.Avoid) > 0 || spread(s.flow.asked.Add(1)) >= s.of64 {
		return false
	}
	s.flow.shed.Add(1)
	return true
}

// equal reports whether both refuse as many. Either may be nil.
func (s *shedding) equal(o *shedding) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.of64 == o.of64
}

// refused is the part of requests that is refused.
func (s *shedding) refused() float64 {
	if s == nil {
		return 0
	}
	return s.part
}

// panicFrom fills in next's part of a ruling, and notes where a panic begins or ends.
func (s *state) panicFrom(d *ruling, prev, next *Snapshot) {
	next.panic = d.panic
	if d.sheds > 0 {
		next.shedding = &shedding{part: d.sheds, of64: fraction(d.sheds), flow: s.flow}
	}
	if prev.panic == next.panic {
		return
	}
	log := s.opt.Log.With(slog.String("service", s.opt.Name))
	if !next.panic {
		s.panicSince = time.Time{}
		log.LogAttrs(context.Background(), slog.LevelInfo, "panic is over")
		return
	}
	s.panics++
	s.panicSince = s.flow.at(s.flow.clock())
	log.LogAttrs(context.Background(), slog.LevelWarn, "panic: too few endpoints are healthy",
		slog.String("mode", s.opt.Panic.String()),
		slog.Int("threshold_percent", s.opt.PanicThreshold),
		slog.Int("healthy", d.well),
		slog.Int("endpoints", d.asked),
		slog.Float64("shed", d.sheds))
}
