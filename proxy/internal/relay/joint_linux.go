package relay

import (
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// A Joint is a Relay for two connections of an event loop. It has no goroutine
// and no task: the loop tells it when there is something to do, and while there
// is nothing it is its struct. All of it is for that loop only.
type Joint struct {
	client, endpoint *loop.Conn
	idle             time.Duration
	stats            *proxy.Stats
	idleTimeouts     *atomic.Uint64
	up, down         flow // from the client, to the client
	cause            Cause
	ended            func(Cause)
	lastByte         time.Time
	first            time.Time
	goOn             func() // next, made once
	noteFirst        bool
	resetIdle        bool
	queued           bool // goOn is
	over             bool
}

// Join relays between two connections of one loop until both sides have ended,
// or Cut is called. Then it closes both and calls ended, once, on the loop, with
// the reason; never before Join has returned. Until then it owns the
// connections: nobody else may read, write or handle them, or move their
// deadlines. Who closes them all the same ends it, as their peer would.
//
// Options mean what they mean to New.
func Join(client, endpoint *loop.Conn, o Options, ended func(Cause)) *Joint {
	j := &Joint{
		client: client, endpoint: endpoint, ended: ended,
		idle: o.Idle, resetIdle: o.ResetIdle, stats: o.Stats, idleTimeouts: o.IdleTimeouts, noteFirst: o.NoteFirst,
		lastByte: client.Loop().Now(),
	}
	j.up = flow{joint: j, src: client, dst: endpoint, direction: proxy.FromClient, held: o.Early[proxy.FromClient]}
	j.down = flow{joint: j, src: endpoint, dst: client, direction: proxy.ToClient, held: o.Early[proxy.ToClient]}
	j.goOn = j.next
	for _, c := range [...]*loop.Conn{client, endpoint} {
		c.ReadBy(time.Time{}) // only silence ends a relay
		c.WriteBy(time.Time{})
		c.Handle(j)
		c.Watch() // or nobody hears of a reset while the other side is slow
	}
	j.setTimer()
	j.soon() // the caller may be a task, which others are not to wait for
	return j
}

// setTimer has the loop tell when it may have been silent for too long. Bytes do
// not move the timer: when it fires we look when the last one came.
func (j *Joint) setTimer() {
	if j.idle > 0 {
		j.client.ReadBy(j.lastByte.Add(j.idle))
	}
}

// First is when the endpoint's first byte came, if Options.NoteFirst asked for
// it; the zero time if none did.
func (j *Joint) First() time.Time { return j.first }

// Cut ends the relay because of cause, with a reset for both sides. The first
// cause counts; after the end it does nothing. It returns when ended has.
func (j *Joint) Cut(cause Cause) {
	if !j.over {
		j.blame(cause)
		j.end()
	}
}

// Ready moves what can be moved. The loop calls it. A panic ends the relay.
func (j *Joint) Ready() {
	if j.over {
		return
	}
	well := false
	defer func() {
		if !well {
			j.Cut(Panicked)
		}
	}()
	j.move()
	well = true
}

func (j *Joint) move() {
	before := j.bytes()
	more := j.up.run()
	more = j.down.run() || more
	if j.bytes() != before {
		j.lastByte = j.client.Loop().Now()
	}
	for _, f := range [...]*flow{&j.up, &j.down} {
		if f.lost() {
			f.fail(f.other().blame())
		}
	}
	switch {
	case j.up.done && j.down.done:
		j.end()
	case more:
		j.soon()
	case j.idle > 0 && j.client.Expired():
		j.checkIdle()
	}
}

// bytes is what the two sides have taken: a slow reader of much that we hold for
// it is not silent, and what is read for nobody is no sign of life.
func (j *Joint) bytes() int64 { return j.client.Sent() + j.endpoint.Sent() }

// soon makes it go on when others have had their turn.
func (j *Joint) soon() {
	if !j.queued {
		j.queued = true
		j.client.Loop().AtNextTurn(j.goOn)
	}
}

func (j *Joint) next() {
	j.queued = false
	j.Ready()
}

func (j *Joint) checkIdle() {
	if j.client.Loop().Now().Sub(j.lastByte) < j.idle {
		j.setTimer()
		return
	}
	j.blame(Idle)
	if j.idleTimeouts != nil {
		j.idleTimeouts.Add(1)
	}
	j.end()
}

// blame records the first cause.
func (j *Joint) blame(cause Cause) {
	if j.cause == Well {
		j.cause = cause
	}
}

func (j *Joint) end() {
	j.over = true
	j.up.stop()
	j.down.stop()
	if j.cause == Well || j.cause == Idle && !j.resetIdle {
		_ = j.client.Close()
		_ = j.endpoint.Close()
	} else {
		// A peer must not take for a whole stream what was cut: it gets a reset.
		j.client.Abort()
		j.endpoint.Abort()
	}
	j.ended(j.cause)
}
