package http

import (
	"log/slog"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// finish ends the exchange, which f says what was wrong with, or nil. It tells
// the client what it must know, counts, and reports whether the connection can
// carry another exchange.
func (x *exchange) finish(f *failure) (keep bool) {
	keep, parting := x.settle(f)
	if parting {
		x.part()
	}
	return keep
}

// settle is finish but for closing the client's connection in stages, which takes
// time: parting says that it is to be. Where f is nil, and there is no upload, it
// does not wait.
func (x *exchange) settle(f *failure) (keep, parting bool) {
	if f != nil && x.doomed() != nil {
		f = x.doomed() // whatever it looked like to whom it woke
	}
	x.rec.Cause = causeOf(f)
	status := x.resp.Status
	if f != nil {
		x.dropConn()
		x.endLease(f.outcome, f.cause)
		if !x.answered {
			status = f.status
			x.refuse(f)
		}
	}
	x.dropConn() // a body that ended with its connection
	x.endAnswered(status)
	x.endUpload()
	x.endRetry()
	x.account(status, f)
	if f != nil && x.answered {
		return false, x.cut(f)
	}
	if f == clientGone || f == aborted {
		return false, false
	}
	received := x.received()
	keep = !x.req.Close && received // in a drain, too, until a response has said that it is the last
	switch {
	case !received:
		return false, true
	case x.up.started:
		x.c.in.release()
		x.c.in, x.up.in = x.up.in, window{}
	default:
		x.c.in.consume(x.headLen + x.bodyLen)
	}
	// Who said that it was the last request is taken at its word, if it looks so.
	return keep, !keep && (!x.saidLast || !x.c.in.empty() || x.c.conn.Unread())
}

// part closes the client's connection in stages. What that takes no longer needs
// no buffers but those it reads into.
func (x *exchange) part() {
	x.back.release()
	x.up.in.release()
	x.c.linger()
}

// received reports whether the whole request was read from the client.
func (x *exchange) received() bool {
	return x.headLen > 0 && x.body.Done() && x.up.failure() == nil
}

// refuse answers in Spillway's own name (RFC 9209 says why), or in the route's.
func (x *exchange) refuse(f *failure) {
	if f == clientGone {
		return
	}
	if x.up.started || !x.body.Done() || x.headLen == 0 || f == bodyTooLarge || x.c.engine.yielding.Load() {
		x.req.Close = true
	}
	x.req.Close = x.req.Close || x.req.Minor == 0
	if f == &x.own {
		x.answer()
		return
	}
	body := f.body
	if string(x.req.Method) == "HEAD" {
		body = ""
	}
	x.out = h1.AppendError(x.out[:0], f.status, f.errorType(), body, f.retryAfter(), x.req.Close)
	x.c.conn.WriteBy(time.Now().Add(lingerTime))
	if x.write(x.out, nil) != nil {
		x.req.Close = true
	}
}

// cut ends the client's connection in the middle of a response, such that the
// client sees a cut and not an end. Where the connection's end would end the
// body that takes a reset. Elsewhere there is none, which might take earlier
// responses with it, and the connection is to be closed in stages.
func (x *exchange) cut(f *failure) (parting bool) {
	if x.req.Minor == 0 && x.resp.Framing != h1.Length {
		x.c.conn.Abort()
		return false
	}
	return f != clientGone && f != aborted
}

// abandon gives back what an exchange holds that will not be finished.
func (x *exchange) abandon() {
	x.dropConn()
	x.endLease(lb.Neutral, "")
	x.endUpload()
	x.endRetry()
}

func causeOf(f *failure) string {
	if f == nil {
		return ""
	}
	return f.cause
}

// account counts the exchange and writes it to the access log.
func (x *exchange) account(status int, f *failure) {
	now := x.c.driver.now()
	x.c.since = instantOf(now)
	total := now.Sub(x.start)
	if x.svc != nil {
		if x.codes == nil {
			x.codes = x.svc.Stats.Codes(x.load)
		}
		x.codes.Add(status)
		if status != 101 { // a tunnel's life is no answer's time
			x.svc.Stats.Duration.Observe(total)
		}
		if f == nil {
			x.svc.Stats.Attempts[proxy.AttemptOK].Add(1)
		} else {
			x.svc.Stats.CountCut(f.cause)
		}
	}
	log := x.c.engine.opt.Access
	if log == nil || f == clientGone && x.headLen == 0 {
		return
	}
	r := &x.rec
	r.Time, r.Total = x.start, total
	r.Listener, r.Protocol = x.c.engine.opt.Listener, "HTTP"
	if x.svc != nil {
		r.Service = x.svc.Name
	}
	r.Client, r.TLS = x.client(), x.c.tls
	r.Method, r.Host, r.Path = string(x.req.Method), string(x.req.Authority), string(x.req.Target)
	r.Status, r.Attempts = status, x.try.number
	r.BytesIn += int64(x.bodyLen) + x.up.bytes // beside a tunnel's
	log.Write(r)
}

// note counts a failed attempt and says in the log what it was and what is done
// about it. Where f is nil it was answered, in a way that was not wanted.
func (x *exchange) note(f *failure, v verdict) {
	level, reason, what := slog.LevelWarn, proxy.AttemptStatus, slog.Int("status", x.resp.Status)
	if f != nil {
		reason, what = f.reason, slog.String("cause", f.cause)
		if f.outcome == lb.Neutral {
			level = slog.LevelDebug // the client's doing, or nobody's
		}
	}
	log := x.c.engine.failed
	again := v == anotherOne || v == freshConnect
	if f != nil || again { // a response that is relayed after all is counted as such
		x.svc.Stats.Attempts[reason].Add(1)
	}
	if again {
		x.svc.Stats.Retries[reason].Add(1)
		log = x.c.engine.retried
	}
	took := time.Since(x.began)
	if v != giveUp {
		x.recordFailed(f, took, v)
	}
	if !log.Enabled(level) {
		return
	}
	log.Write(level, "attempt failed",
		slog.String("service", x.svc.Name),
		slog.String("endpoint", x.rec.Endpoint),
		what,
		x.whatFault(),
		slog.Int("attempt", x.try.number),
		slog.Duration("duration", took),
		slog.String("method", string(x.req.Method)),
		slog.String("target", string(x.req.Target)),
		slog.String("then", verdicts[v]))
}

// whatFault names what TLS had against the endpoint, such as a name that its
// certificate does not have. Without that the attribute is empty, and so omitted.
func (x *exchange) whatFault() slog.Attr {
	if secure.Cause(x.fault) == "" {
		return slog.Attr{}
	}
	return slog.String("error", x.fault.Error())
}

// recordFailed adds a failed attempt to what the access log will say.
func (x *exchange) recordFailed(f *failure, took time.Duration, v verdict) {
	if x.c.engine.opt.Access == nil {
		return
	}
	a := proxy.FailedAttempt{Endpoint: x.rec.Endpoint, Cause: causeOf(f), Duration: took, Then: verdicts[v]}
	if f == nil {
		a.Status = x.resp.Status
	}
	x.rec.Failed = append(x.rec.Failed, a)
}

// noteNobody says in the log that the balancer had no endpoint, or none any
// more, for a request.
func (x *exchange) noteNobody(f *failure) { x.noteRefused("no endpoint", f) }

// noteRefused says in the log that a request gets no endpoint, and why.
func (x *exchange) noteRefused(what string, f *failure) {
	log := x.c.engine.failed
	if !log.Enabled(slog.LevelWarn) {
		return
	}
	log.Write(slog.LevelWarn, what,
		slog.String("service", x.svc.Name),
		slog.String("cause", f.cause),
		slog.Int("attempts", x.try.number),
		slog.String("method", string(x.req.Method)),
		slog.String("target", string(x.req.Target)))
}
