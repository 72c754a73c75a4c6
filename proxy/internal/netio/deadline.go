package netio

import (
	"math"
	"sync/atomic"
	"time"
)

// A deadline is when one direction of a connection is to give up, and what the
// runtime's timer for it is set to. Setting that timer costs several hundred
// nanoseconds, and a proxy moves its deadlines with every request, nearly
// always to later. So a timer is left alone when the wanted time moves to
// later: it fires too early, and whoever waits sets it anew and goes on.
//
// Times are nanoseconds since the program began.
type deadline struct {
	want  atomic.Int64
	armed atomic.Int64
}

const (
	never = math.MaxInt64
	past  = 1
)

var epoch = time.Now()

func (d *deadline) init() {
	d.want.Store(never)
	d.armed.Store(never)
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return max(past, int64(t.Sub(epoch)))
}

func timeOf(at int64) time.Time {
	if at == never {
		return time.Time{}
	}
	return epoch.Add(time.Duration(at))
}

// ReadBy sets the time after which Read fails with os.ErrDeadlineExceeded; the
// zero time means never. It is cheap unless t is earlier than all times set
// since the timer last fired. A Read that is blocked obeys it at once.
func (c *Conn) ReadBy(t time.Time) {
	c = c.timed()
	c.setBy(&c.readBy, stamp(t))
}

// WriteBy is ReadBy for writing.
func (c *Conn) WriteBy(t time.Time) {
	c = c.timed()
	c.setBy(&c.writeBy, stamp(t))
}

// timed is the Conn whose deadlines hold: c, or that below TLS.
func (c *Conn) timed() *Conn {
	if c.records != nil {
		return c.records.below
	}
	return c
}

func (c *Conn) setBy(d *deadline, at int64) {
	d.want.Store(at)
	if armed := d.armed.Load(); at < armed || !c.lazy && at != armed {
		c.arm(d)
	}
}

// Interrupt wakes a Read and a Write that are blocked, and makes those to come
// fail, with os.ErrDeadlineExceeded: until the next ReadBy, or WriteBy. To
// stop a reader for good, first set a flag, then interrupt; and let the reader
// first call ReadBy, then look at the flag, then Read.
func (c *Conn) Interrupt() {
	c = c.timed()
	c.setBy(&c.readBy, past)
	c.setBy(&c.writeBy, past)
}

// arm sets the runtime's timer to the wanted time.
//
// setBy stores want and then loads armed; arm stores armed and then loads want.
// Whatever the order, one of the two sees what the other did, so no deadline
// is lost between goroutines.
func (c *Conn) arm(d *deadline) {
	c.timers.Lock()
	defer c.timers.Unlock()
	for {
		at := d.want.Load()
		// An error means that the connection is closed: the next call says so.
		if d == &c.readBy {
			_ = c.net.SetReadDeadline(timeOf(at))
		} else {
			_ = c.net.SetWriteDeadline(timeOf(at))
		}
		d.armed.Store(at)
		if d.want.Load() == at {
			return
		}
	}
}

// fireEarly makes the runtime's timer fire now, whatever is wanted.
func (c *Conn) fireEarly(d *deadline) {
	c.timers.Lock()
	defer c.timers.Unlock()
	if d == &c.readBy {
		_ = c.net.SetReadDeadline(timeOf(past))
	} else {
		_ = c.net.SetWriteDeadline(timeOf(past))
	}
	d.armed.Store(past)
}

// rearm is called when the timer has fired. It reports whether the wanted time
// is still to come, and sets the timer to it.
func (c *Conn) rearm(d *deadline) bool {
	if at := d.want.Load(); at <= int64(time.Since(epoch)) {
		return false
	}
	c.arm(d)
	return true
}
