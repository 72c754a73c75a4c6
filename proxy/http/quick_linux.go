package http

import (
	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// Most exchanges never wait for anything but the endpoint's answer: the request
// is here as a whole, a connection to the endpoint is idle, both sockets have
// room, and the answer comes as a whole. Such an exchange needs no task. The
// loop makes its first half when the request comes and its second half when the
// answer does; in between it is noted in the endpoint's connection. Whatever
// else happens, a task takes over at the stage that was reached.

// later hands the exchange to a task.
func (c *loopClient) later(s stage, end *failure) {
	x := c.current
	x.stage, x.end = s, end
	c.Loop().Go(c)
}

// ask makes the first half of an exchange. The head may be here.
func (c *loopClient) ask() {
	x := c.driver.memory().exchange()
	c.current = x
	x.c, x.set = &c.client, c.engine.settings.Load()
	c.in.keepSmall(c.driver.memory().small)
	n, err := x.req.Parse(c.in.bytes(), x.set.limits())
	switch {
	case err != nil:
		x.start = c.driver.now()
		x.req.Close = true // where the next request would begin is not known
		c.later(toFinish, requestRefused(err))
		return
	case n == 0:
		c.later(toServe, nil)
		return
	}
	x.headLen, x.start = n, c.driver.now()
	switch f := x.choose(); {
	case f == inLine:
		c.later(toWait, nil)
		return
	case f != nil:
		c.later(toFinish, f)
		return
	}
	switch {
	case !x.reuse():
		c.later(toConnect, nil)
	case !x.body.Done():
		c.later(toSend, nil)
	default:
		c.sendWhole()
	}
}

// sendWhole sends a request that is here as a whole.
func (c *loopClient) sendWhole() {
	x := c.current
	e := x.conn.link.(*loopEndpoint)
	n, whole, err := e.WriteBuffersNow(x.out, x.bodyHere())
	if !whole && err == nil {
		x.left = n
		c.later(toGoOn, nil)
		return
	}
	if f := x.sent(n, err); f != nil {
		c.later(toReceive, f)
		return
	}
	c.expect(e)
}

// expect has the answer told to us.
func (c *loopClient) expect(e *loopEndpoint) {
	e.asker = c
	e.Conn.ReadBy(c.current.nextLook(firstLook))
	e.Watch()
}

// answered makes the second half of an exchange, if there is an answer.
func (c *loopClient) answered(e *loopEndpoint) {
	x := c.current
	if e.Expired() {
		c.later(toLook, nil)
		return
	}
	b, err := e.ReceiveNow(c.driver.memory().buffers)
	if b == nil && err == nil {
		c.expect(e) // it was something else
		return
	}
	if b != nil {
		x.back.adopt(b)
	}
	if err != nil || !x.answeredWhole() {
		c.later(toReceive, nil)
		return
	}
	c.replyWhole()
}

// answeredWhole reports whether x.back has a whole final response that is to be
// relayed as it is.
func (x *exchange) answeredWhole() bool {
	n, err := x.resp.Parse(x.back.bytes(), x.req.Method, h1.Limits{HeadBytes: maxResponseHead})
	if n == 0 || err != nil || x.resp.Status < 200 || x.unwelcome() {
		return false
	}
	switch x.resp.Framing {
	case h1.NoBody:
	case h1.Length:
		if x.resp.Length > int64(x.back.size()-n) {
			return false
		}
	default:
		return false
	}
	x.begun(n)
	return true
}

// replyWhole sends the client the response that is here.
func (c *loopClient) replyWhole() {
	x := c.current
	x.tryBy = x.deadline
	x.compose()
	n, _ := x.reply.Follow(x.back.bytes()) // a length cannot be wrong
	body := x.back.bytes()[:n]
	x.back.consume(n)
	x.keepConn() // before the client is told: its next request may want it
	x.answered = true
	head := x.out
	if n <= joinMax {
		x.out = append(head, body...)
		head, body = x.out, nil
	}
	sent, whole, err := c.WriteBuffersNow(head, body)
	switch {
	case err != nil:
		f := x.clientFailed(err)
		x.noteEnd(f)
		c.later(toFinish, f)
	case !whole:
		x.left, x.gist = sent, body
		c.later(toReply, nil)
	default:
		x.rec.BytesOut += int64(n)
		c.over()
	}
}

// over ends an exchange that went well.
func (c *loopClient) over() {
	x := c.current
	keep, parting := x.settle(nil)
	if parting {
		c.later(toPart, nil)
		return
	}
	c.release(x)
	if keep {
		c.next()
	} else {
		c.end()
	}
}

// takeUp goes on with an exchange, as a task.
func (c *loopClient) takeUp() (keep, over bool) {
	x := c.current
	var f *failure
	switch x.stage {
	case toServe:
		return x.serve(&c.client)
	case toWait:
		if f = x.await(); f == nil {
			f = x.conclude(x.ask())
		}
	case toConnect:
		if f = x.dial(); f == nil {
			f = x.sendAndReceive()
		}
		f = x.conclude(f)
	case toSend:
		f = x.conclude(x.sendAndReceive())
	case toGoOn:
		f = x.conclude(x.sendRest())
	case toReceive:
		if f = x.end; f == nil {
			f = x.receive()
		}
		f = x.conclude(f)
	case toLook:
		if f = x.look(); f == nil {
			f = x.receive()
		}
		f = x.conclude(f)
	case toFinish:
		f = x.end
	case toPart:
		x.part()
		return false, true
	case toReply:
		f = x.replyRest()
		x.noteEnd(f)
	}
	if f == handedOver {
		return false, false
	}
	return x.finish(f), true
}

// sendRest sends what sendWhole has left.
func (x *exchange) sendRest() *failure {
	x.conn.WriteBy(x.writeBy())
	a, b := behind(x.left, x.out, x.bodyHere())
	n, err := x.conn.WriteBuffers(a, b)
	if f := x.sent(x.left+n, err); f != nil {
		return f
	}
	return x.receive()
}

// replyRest sends what replyWhole has left.
func (x *exchange) replyRest() *failure {
	x.c.conn.WriteBy(x.writeBy())
	a, b := behind(x.left, x.out, x.gist)
	_, err := x.c.conn.WriteBuffers(a, b)
	if err == nil && x.resp.Framing == h1.Length {
		x.rec.BytesOut += x.resp.Length
	}
	return x.clientFailed(err)
}

// behind is what follows the first n bytes of a and b.
func behind(n int64, a, b []byte) ([]byte, []byte) {
	k := min(int(n), len(a))
	return a[k:], b[int(n)-k:]
}
