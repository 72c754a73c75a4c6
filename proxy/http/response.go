package http

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// maxResponseHead is the largest head of a response that is relayed.
const maxResponseHead = 64 << 10

// receive reads the head of the response. Interim ones on the way are relayed.
func (x *exchange) receive() *failure {
	// The response cannot be here yet. Whoever else has work does it first; by
	// then it may be, and saves us a read in vain and a wait in the netpoller.
	x.c.driver.pause()
	for {
		if !x.back.empty() {
			n, err := x.resp.Parse(x.back.bytes(), x.req.Method, h1.Limits{HeadBytes: maxResponseHead})
			switch {
			case err != nil:
				return responseBad
			case n > 0 && x.resp.Status == 101 && !x.req.Upgraded(&x.resp):
				return upgradeFailed
			case n > 0 && (x.resp.Status >= 200 || x.resp.Status == 101):
				x.begun(n)
				return nil
			case n > 0:
				if f := x.relayInterim(); f != nil {
					return f
				}
				x.back.consume(n)
				x.resp.Reset()
				continue
			}
		}
		ended, f := x.fill()
		switch {
		case (ended || f == reset) && x.back.empty():
			return x.broken()
		case ended || f == reset:
			return responseCut // it had begun: not to be asked again, nor its bytes to be kept
		case f != nil:
			return f
		}
	}
}

// begun notes that the final response's head is here, n bytes of x.back.
func (x *exchange) begun(n int) {
	x.back.consume(n)
	if x.svc.LoadReports != nil {
		x.takeReport()
	}
	if x.c.engine.opt.Access != nil {
		x.rec.First = x.c.driver.now().Sub(x.start) // the clock that the end is told by
	}
}

// relayInterim passes on a 1xx response (RFC 9110 §15.2).
func (x *exchange) relayInterim() *failure {
	x.try.interim = true
	if x.req.Minor == 0 {
		return nil // HTTP/1.0 does not know them
	}
	if x.svc.LoadReports != nil {
		x.resp.Drop(loadFields)
	}
	x.c.conn.WriteBy(x.deadline)
	x.out = x.resp.AppendTo(x.out[:0], &h1.Reply{ClientMinor: x.req.Minor})
	if x.write(x.out, nil) != nil {
		return clientGone // or as good as: behind half a head there is nothing to say
	}
	return nil
}

// fill reads more of the response into x.back. ended means that the endpoint
// has closed the connection in good order; reset stands for any other end.
func (x *exchange) fill() (ended bool, f *failure) {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		x.conn.ReadBy(x.nextLook(pause))
		n, err := x.read()
		switch {
		case n > 0:
			return false, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if f := x.look(); f != nil {
				return false, f
			}
			continue
		}
		if f := x.up.failure(); f != nil {
			return false, f // the connection was closed on purpose
		}
		switch err {
		case nil:
			return false, responseBad // a head larger than allowed
		case io.EOF:
			return true, nil
		}
		x.fault = err
		return false, reset
	}
}

// read makes one read from the endpoint into x.back. A buffer is taken only
// when there is something to read: an endpoint that takes its time costs none.
func (x *exchange) read() (int, error) {
	if x.back.empty() {
		x.back.release()
		b, err := x.conn.Receive(x.c.driver.memory().buffers)
		if err != nil {
			return 0, err
		}
		x.back.adopt(b)
		return len(b.B), nil
	}
	space := x.back.space(maxResponseHead)
	if len(space) == 0 {
		return 0, nil
	}
	n, err := x.conn.Read(space)
	x.back.filled(n)
	return n, err
}

// While an endpoint keeps us waiting we look, less and less often, whether the
// client is still there and the deadline ahead. The timers are lazy: a fast
// exchange sets none.
const (
	firstLook = 250 * time.Millisecond
	lastLook  = 2 * time.Second
)

func (x *exchange) nextLook(pause time.Duration) time.Time {
	now := x.began
	if x.answered || pause > firstLook {
		now = time.Now() // a clock is not free: an exchange that goes fast reads it twice
	}
	next := now.Add(pause)
	if !x.tryBy.IsZero() && x.tryBy.Before(next) {
		return x.tryBy
	}
	return next
}

// look says why waiting for the endpoint is to end, or nil.
func (x *exchange) look() *failure {
	if f := x.up.failure(); f != nil {
		return f
	}
	if f := x.doomed(); f != nil {
		return f
	}
	if passed(x.tryBy) {
		x.endUpload() // a byte may just have come; once it has ended, it is settled who was waited for
		if x.up.waiting() {
			return clientSlow
		}
		return responseSlow
	}
	if x.c.engine.isAborted() {
		return aborted
	}
	if x.c.conn.Gone() && !x.conn.Unread() { // what is here it may still want: it looks the same to have said all
		return clientGone
	}
	return nil
}

// relay sends the response to the client.
func (x *exchange) relay() *failure {
	if x.resp.Status == 101 {
		x.endRetry() // a tunnel may last for days
		return x.tunnel()
	}
	dechunk, chunk := x.compose()
	x.c.conn.WriteBy(x.writeBy())
	switch {
	case dechunk:
		return x.relayDechunked()
	case chunk:
		return x.relayChunked()
	}
	return x.relayBody()
}

// compose makes the head for the client, in x.out. It reports whether the body is
// to be sent without its chunks, or in chunks of our own.
func (x *exchange) compose() (dechunk, chunk bool) {
	rep := x.resp.ReplyTo(&x.req)
	rep.Close = rep.Close || x.c.engine.yielding.Load() || x.overtakes()
	if x.setLine = x.appendSetCookie(x.setLine[:0]); len(x.setLine) > 0 {
		rep.SetCookie = x.setLine
	}
	if x.route.Actions != nil {
		x.editResponse(&rep)
	}
	x.req.Close = x.req.Close || rep.Close
	x.out = x.resp.AppendTo(x.out[:0], &rep)
	x.reply.Reset(x.resp.Framing, x.resp.Length)
	return rep.Dechunk, rep.Chunk
}

// overtakes reports whether the response begins before all of the request went
// to the endpoint. Nobody knows how long the rest will take and whether it will
// be wanted at all, but whether the connection ends has to be said now (RFC 9112
// §9.6): so it does.
func (x *exchange) overtakes() bool { return x.up.started && !x.up.finish() }

// relayBody sends the head, and the body in its wire form as it comes.
func (x *exchange) relayBody() *failure {
	for head := x.out; ; head = nil {
		n, err := x.reply.Follow(x.back.bytes())
		if err != nil {
			return responseBad
		}
		body := x.back.bytes()[:n]
		x.back.consume(n)
		done := x.reply.Done()
		if done {
			x.keepConn() // before the client is told: its next request may want it
		}
		x.answered = true
		if f := x.write(head, body); f != nil {
			return f
		}
		x.rec.BytesOut += int64(n)
		if done {
			return nil
		}
		if ended, f := x.more(); ended || f != nil {
			return f
		}
	}
}

// relayDechunked sends a chunked body to an HTTP/1.0 client, who knows no
// chunks: only the data, and the connection's end ends it.
func (x *exchange) relayDechunked() *failure {
	x.answered = true
	if f := x.write(x.out, nil); f != nil {
		return f
	}
	for {
		n, data, err := x.reply.Next(x.back.bytes())
		if err != nil {
			return responseBad
		}
		x.back.consume(n)
		if f := x.write(nil, data); f != nil {
			return f
		}
		x.rec.BytesOut += int64(len(data))
		if x.reply.Done() {
			x.keepConn()
			return nil
		}
		if x.back.empty() || n == 0 {
			if _, f := x.fillBody(); f != nil {
				return f
			}
		}
	}
}

// relayChunked sends a body that ends with the endpoint's connection in chunks,
// one for each read: so the client sees its end, or that there is none, and keeps
// its own connection.
func (x *exchange) relayChunked() *failure {
	x.answered = true
	for ended := false; !ended; {
		data := x.back.bytes()
		f := x.writeChunk(x.out, data)
		if f != nil {
			return f
		}
		x.rec.BytesOut += int64(len(data))
		x.back.consume(len(data))
		x.out = x.out[:0]
		if ended, f = x.fillBody(); f != nil {
			return f
		}
	}
	x.keepConn()
	return x.write(h1.AppendChunk(x.out, 0), nil)
}

// writeChunk sends a chunk behind the head, or the head alone where there is no
// data. The chunk's end goes with it, for some clients take nothing of a chunk
// before they have that; mostly there is room for it in data's buffer.
func (x *exchange) writeChunk(head, data []byte) *failure {
	if len(data) == 0 {
		return x.write(head, nil)
	}
	const end = "\r\n"
	x.out = h1.AppendChunk(head, len(data))
	room := cap(data)-len(data) >= len(end)
	if room {
		data = append(data, end...)
	}
	f := x.write(x.out, data)
	if f == nil && !room {
		f = x.write(append(x.out[:0], end...), nil)
	}
	return f
}

// joinMax is the size up to which copying a body behind its head is cheaper than
// having the kernel gather the two.
const joinMax = 2 << 10

// write sends to the client. head is x.out or nothing.
func (x *exchange) write(head, body []byte) *failure {
	if len(head)+len(body) == 0 {
		return nil
	}
	if len(head) > 0 && len(body) <= joinMax {
		x.out = append(head, body...)
		head, body = x.out, nil
	}
	_, err := x.c.conn.WriteBuffers(head, body)
	return x.clientFailed(err)
}

// clientFailed is the failure for an error of writing to the client.
func (x *exchange) clientFailed(err error) *failure {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return clientSlow
	}
	return clientGone
}

// spliceMin is the size from which moving bytes inside the kernel is cheaper
// than copying them.
const spliceMin = 64 << 10

// more moves the body on: inside the kernel where much of it follows without
// framing in between, else into x.back. ended means that the connection has
// ended, and the body with it, as it should.
func (x *exchange) more() (ended bool, f *failure) {
	n := x.reply.Remaining()
	if !x.back.empty() || n >= 0 && n < spliceMin {
		return x.fillBody()
	}
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		x.conn.ReadBy(x.nextLook(pause))
		moved, err := x.c.driver.splice(x.c.conn, x.conn.link, x.reply.Remaining())
		x.reply.Advance(moved)
		x.rec.BytesOut += moved
		switch {
		case err == nil:
			return n < 0, nil
		case errors.Is(err, netio.ErrNoSplice):
			return x.fillBody()
		case netio.WriteFailed(err):
			return false, x.clientFailed(err)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return false, responseCut
		}
		if f := x.look(); f != nil {
			return false, f
		}
		if moved > 0 {
			pause = firstLook
		}
	}
}

// fillBody is fill inside a body: an end that does not end the body is a cut.
func (x *exchange) fillBody() (ended bool, f *failure) {
	ended, f = x.fill()
	if f == reset || ended && x.reply.EOF() != nil {
		return false, responseCut
	}
	return ended, f
}

// keepConn is called once the response is complete. It gives the endpoint's
// connection back if it can carry another exchange, and ends the lease.
func (x *exchange) keepConn() {
	surplus := !x.back.empty() // bytes that nobody asked for
	if x.resp.Close || surplus || !x.sentAll() || x.doomed() != nil || x.worn() {
		x.dropConn()
	} else {
		x.c.endpoint.Store(nil)
		x.conn.expires = after(x.c.driver.now(), x.svc.KeepaliveTimeout)
		x.conn.home.put(x.conn)
		x.conn = nil
	}
	x.endAnswered(x.resp.Status)
}

// sentAll reports whether the whole request went to the endpoint.
func (x *exchange) sentAll() bool {
	if x.up.started {
		return x.up.finish()
	}
	return x.body.Done() && !x.torn
}

// dropConn closes the endpoint's connection, if there is one.
func (x *exchange) dropConn() {
	if x.conn != nil {
		x.c.endpoint.Store(nil)
		x.conn.discard()
		x.conn = nil
	}
}
