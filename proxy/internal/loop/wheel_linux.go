package loop

import "time"

// tick is how exact timers are: they are for timeouts of network peers, and
// fire up to one tick late. Coarse ticks make them free: nearly all timers are
// moved to later or forgotten before they fire, and cost nothing then.
const tick = 16 * time.Millisecond

// ticks counts time from the loop's beginning on; 0 is never. 32 bits would be
// over after two years.
type ticks uint64

const (
	slots     = 1024 // 16 s a round
	slotMask  = slots - 1
	farFuture = ^ticks(0)
)

// A timer is in at most one slot of its wheel, as a part of what it is for.
type timer struct {
	next, prev *timer // nil: not set
	due        ticks
	conn       *Conn
}

// A wheel has the timers by the tick they are due at, modulo its size.
type wheel struct {
	done  ticks // all that were due up to here have fired
	first ticks // no timer is due before
	slots [slots]struct {
		timer       // list head
		first ticks // no timer of this slot is due before
	}
}

func (w *wheel) init() {
	w.first = farFuture
	for i := range w.slots {
		s := &w.slots[i]
		s.next, s.prev, s.first = &s.timer, &s.timer, farFuture
	}
}

// set makes t fire at due, or in the next tick where that is over.
func (w *wheel) set(t *timer, due ticks) {
	if t.next != nil {
		t.unlink()
	}
	t.due = max(due, w.done+1)
	s := &w.slots[t.due&slotMask]
	t.prev, t.next = s.prev, &s.timer
	t.prev.next, t.next.prev = t, t
	s.first = min(s.first, t.due)
	w.first = min(w.first, t.due)
}

// each calls f, which sets and unlinks nothing, with all timers.
func (w *wheel) each(f func(*timer)) {
	for i := range w.slots {
		s := &w.slots[i]
		for t := s.next; t != &s.timer; t = t.next {
			f(t)
		}
	}
}

// unlink forgets t, which is set.
func (t *timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
}

// advance fires what is due at now or before. Fire may set timers, also the one
// that it is called for, and unlink any. It must not panic.
func (w *wheel) advance(now ticks, fire func(*timer)) {
	if now < w.first {
		w.done = max(w.done, now)
		return
	}
	from := w.done + 1
	if now-w.done > slots {
		from = now - slots + 1 // once round is everywhere
	}
	w.done = now // what is set meanwhile is due later
	for at := from; at <= now; at++ {
		w.fireSlot(at&slotMask, now, fire)
	}
	w.first = farFuture
	for i := range w.slots {
		w.first = min(w.first, w.slots[i].first)
	}
}

// fireSlot fires those of a slot that are due. They go to a list of their own
// first: nobody knows what fire does to the slot.
func (w *wheel) fireSlot(i, now ticks, fire func(*timer)) {
	s := &w.slots[i]
	if s.first > now {
		return
	}
	var due timer
	due.next, due.prev = &due, &due
	s.first = farFuture
	for t := s.next; t != &s.timer; {
		next := t.next
		if t.due <= now {
			t.unlink()
			t.prev, t.next = due.prev, &due
			t.prev.next, t.next.prev = t, t
		} else {
			s.first = min(s.first, t.due)
		}
		t = next
	}
	for due.next != &due {
		t := due.next
		t.unlink()
		fire(t)
	}
}
