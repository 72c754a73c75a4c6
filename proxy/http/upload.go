package http

import (
	"errors"
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// An upload sends the part of a request's body that was not here yet when the
// head went out. It runs on a goroutine of its own, so that a response that
// comes early is relayed while the client still sends. While it runs, the
// client's side of reading and the endpoint's side of writing are its own; the
// exchange keeps the head, which stays where it is in the client's window.
type upload struct {
	x       *exchange
	started bool
	conn    link        // the endpoint's
	done    latch       // opened when it has ended
	stop    atomic.Bool // it is to go
	blame   atomic.Pointer[failure]
	reading atomic.Bool  // it waits for the client
	here    atomic.Int64 // the body is here once the client's connection has received so much
	in      window       // bytes from the client; at the end, of the next request
	bytes   int64
}

// reset waits for nothing: the upload has ended.
func (u *upload) reset() {
	u.x, u.started, u.conn, u.done, u.bytes = nil, false, nil, nil, 0
	u.stop.Store(false)
	u.blame.Store(nil)
	u.reading.Store(false)
	u.in.release()
}

// failure is what the client did wrong, or nil.
func (u *upload) failure() *failure { return u.blame.Load() }

// waiting reports whether the rest of the body is still to come.
func (u *upload) waiting() bool { return u.reading.Load() }

func (x *exchange) startUpload() {
	x.up.x, x.up.started, x.up.conn = x, true, x.conn.link
	x.up.reading.Store(true) // as it will, first of all
	x.up.here.Store(math.MaxInt64)
	if x.req.Framing == h1.Length {
		x.up.here.Store(x.c.conn.Received() + x.body.Remaining())
	}
	x.c.driver.upload(&x.up)
}

// uploadGrace is how long the end of an upload may take after its response. The
// endpoint has answered, so it has probably read everything and the goroutine
// is only about to notice.
const uploadGrace = 100 * time.Millisecond

// finish reports whether the whole body was sent. It waits for an upload that
// is about to end, and for no other.
func (u *upload) finish() bool {
	return u.x.c.conn.Received() >= u.here.Load() && u.done.Wait(uploadGrace) && u.blame.Load() == nil && !u.stop.Load()
}

// endUpload ends the upload if there is one. Where it did not end by itself
// the client's connection is of no more use for requests.
func (x *exchange) endUpload() {
	if !x.up.started {
		return
	}
	if !x.up.done.Wait(0) {
		x.up.stop.Store(true)
		x.c.conn.ReadBy(longAgo)
		x.up.done.Wait(-1)
	}
}

// Run moves the rest of the body from the client to the endpoint. The driver
// calls it, beside the exchange.
func (u *upload) Run() {
	defer u.done.Open()
	defer func() {
		if p := recover(); p != nil { // before anybody believes that it has ended well
			u.Panicked(p, debug.Stack())
		}
	}()
	if f := u.x.uploadBody(u.conn); f != nil {
		u.end(f)
	}
}

// end says whose fault it is that the upload ends.
func (u *upload) end(f *failure) {
	u.blame.Store(f)
	u.conn.Interrupt() // whoever waits for the response need not
}

// Panicked is called after a panic in Run.
func (u *upload) Panicked(value any, stack []byte) {
	u.x.c.engine.logPanic(u.x.c.peer(), value, stack)
	u.end(aborted)
}

// uploadBody returns what the client did wrong. What goes wrong with the
// endpoint is for the reader of its response to find out.
func (x *exchange) uploadBody(conn link) *failure {
	u := &x.up
	for !x.body.Done() {
		var err error
		if n := x.body.Remaining(); u.in.empty() && n >= spliceMin && x.route.MaxBodyBytes == 0 {
			err = x.spliceUpload(conn)
		} else {
			err = x.readUpload()
		}
		if err != nil {
			if netio.WriteFailed(err) || u.stop.Load() {
				u.stop.Store(true)
				return nil
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return clientGone
			}
			if passed(x.deadline) {
				return clientSlow
			}
			// A drain took the client for idle; it is not.
		}
		if u.in.empty() {
			continue
		}
		n, f := x.follow(u.in.bytes())
		if f != nil {
			return f
		}
		if x.body.Done() {
			u.here.Store(0)
		}
		_, err = conn.Write(u.in.bytes()[:n])
		u.in.consume(n) // sent or not: what is left in there will be read as the next request
		u.bytes += int64(n)
		if err != nil {
			u.stop.Store(true)
			return nil
		}
	}
	return nil
}

// readUpload reads more of the body.
func (x *exchange) readUpload() error {
	u := &x.up
	x.awaitClient()
	var err error
	if u.in.empty() {
		u.in.release()
		var b *netio.Buffer
		if b, err = x.c.conn.Receive(x.c.driver.memory().buffers); err == nil {
			u.in.adopt(b)
		}
	} else { // the rest of a chunk's framing
		var n int
		n, err = x.c.conn.Read(u.in.space(1 << 16))
		u.in.filled(n)
	}
	u.waited(err)
	return err
}

// spliceUpload moves payload inside the kernel.
func (x *exchange) spliceUpload(conn link) error {
	x.awaitClient()
	moved, err := x.c.driver.splice(conn, x.c.conn, x.body.Remaining())
	x.body.Advance(moved)
	x.up.bytes += moved
	if errors.Is(err, netio.ErrNoSplice) {
		return x.readUpload()
	}
	x.up.waited(err)
	return err
}

// waited ends a wait for the client, unless it was in vain: whoever looks before
// the blame is laid must not take the endpoint for the one that was slow.
func (u *upload) waited(err error) {
	if err == nil || netio.WriteFailed(err) {
		u.reading.Store(false)
	}
}

// awaitClient arms the client's deadline for a read. endUpload sets stop before
// it moves that deadline, so whichever of the two comes last, the read ends.
func (x *exchange) awaitClient() {
	x.up.reading.Store(true)
	x.c.conn.ReadBy(x.deadline)
	if x.up.stop.Load() {
		x.c.conn.ReadBy(longAgo)
	}
}
