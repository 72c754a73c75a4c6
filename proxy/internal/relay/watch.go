package relay

import (
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

const (
	// ticksPerTimeout is how exact the idle timeout is: a silent relay is
	// ended at most an eighth of it late.
	ticksPerTimeout = 8
	// slowestTick is how old the byte counters that metrics show may be.
	slowestTick = 5 * time.Second
)

// A watch looks at a relay's byte counters now and then: it adds what is new to
// the service's, and ends the relay when nothing is. So the pumps keep no clock,
// set no deadline and touch no counter that they would share. Its relay's mu
// guards it.
type watch struct {
	timer   *time.Timer
	every   time.Duration
	seen    int64     // bytes of the relay at the last look
	changed time.Time // when there were new ones
	counted [2]struct{ spliced, copied int64 }
	closed  bool
}

// startWatch begins. Caller holds r.mu.
func (r *Relay) startWatch() {
	w := &r.watch
	w.every = slowestTick
	if t := r.opt.Idle; t > 0 {
		w.every = max(time.Millisecond, min(w.every, t/ticksPerTimeout))
	}
	w.seen, w.changed = r.bytes(), time.Now()
	w.timer = time.AfterFunc(w.every, r.tick)
}

func (r *Relay) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.watch
	if w.closed {
		return
	}
	r.account()
	now, seen := time.Now(), r.bytes()
	if seen != w.seen {
		w.seen, w.changed = seen, now
	}
	if t := r.opt.Idle; t > 0 && now.Sub(w.changed) >= t && !r.stopped {
		r.blame(Idle)
		if r.opt.IdleTimeouts != nil {
			r.opt.IdleTimeouts.Add(1)
		}
		r.stop()
		return
	}
	w.timer.Reset(w.every)
}

// bytes is what the two sides have taken: a slow reader of much that we hold for
// it is not silent, and what is read for nobody is no sign of life.
func (r *Relay) bytes() int64 { return r.client.Sent() + r.endpoint.Sent() }

// stopWatch counts the last bytes. Caller holds r.mu.
func (r *Relay) stopWatch() {
	r.account()
	r.watch.closed = true
	r.watch.timer.Stop()
}

// account adds what is new to the counters that others read. Caller holds r.mu.
func (r *Relay) account() {
	for d, p := range [...]*pump{proxy.FromClient: &r.up, proxy.ToClient: &r.down} {
		spliced, copied := p.moved()
		was := &r.watch.counted[d]
		of := &r.opt.Stats.TCPBytes[d]
		of[proxy.Spliced].Add(uint64(spliced - was.spliced))
		of[p.path.Load()].Add(uint64(copied - was.copied))
		was.spliced, was.copied = spliced, copied
	}
}

// moved is how many bytes dst has taken, by the way they came.
func (p *pump) moved() (spliced, copied int64) {
	// First the bytes, then the bounds: a bound that is set in between is at
	// these bytes or later, and does not change what they count as.
	sent := p.dst.Sent()
	from, to := p.spliceFrom.Load(), p.spliceTo.Load()
	spliced = min(sent, to) - min(sent, from)
	return spliced, sent - p.base - spliced
}
