package http

import "time"

// This file is how an exchange comes by a connection to its endpoint.

// connect gets a connection to the leased endpoint: an idle one, or a new one.
func (x *exchange) connect() *failure {
	if x.reuse() {
		return nil
	}
	return x.dial()
}

// reuse begins a try, and reports whether there is an idle connection for it.
func (x *exchange) reuse() bool {
	e := x.lease.Endpoint
	x.try.number++
	x.try.connected, x.try.reused, x.try.sent = true, false, false
	if x.try.refreshed {
		return false
	}
	for home := x.c.driver.home(e); ; x.dropConn() {
		x.conn = home.get(e, x.start, !x.req.Idempotent())
		if x.conn == nil {
			return false
		}
		if x.conn.tls == x.svc.TLS {
			break
		} // else it is from before a reload
	}
	x.try.reused = true
	x.connected()
	return true
}

func (x *exchange) connected() {
	x.conn.since.Store(int64(instantOf(x.start)))
	x.c.endpoint.Store(x.conn)
	if s := x.svc.Stats; x.conn.stats != s {
		x.conn.stats, x.conn.codes = s, s.Codes(x.load)
	}
	x.codes = x.conn.codes
}

// dial makes a connection, in one of the service's places where these are limited.
func (x *exchange) dial() *failure {
	x.try.connected = false
	places, f := x.takePlace()
	if f != nil {
		return f
	}
	if f := x.dialNow(); f != nil {
		if places != nil {
			places.GiveBack()
		}
		return f
	}
	x.conn.places = places
	x.try.connected = true
	x.connected()
	return nil
}

func (x *exchange) dialNow() *failure {
	e, began := x.lease.Endpoint, time.Now()
	timeout, f := x.timeToConnect(began)
	if f != nil {
		return f
	}
	conn, err := x.c.driver.dial(x.c, x.svc, e, timeout)
	took := time.Since(began)
	x.rec.Connect += took
	if err != nil {
		if x.c.engine.isAborted() {
			return aborted
		}
		return x.connectFailed(err)
	}
	x.svc.Balancer.Connected(e.ID, took)
	conn.home, conn.load = x.c.driver.home(e), e.Load
	x.conn = conn
	return nil
}

// timeToConnect is how long a connection may take from now on; 0: as long as it does.
func (x *exchange) timeToConnect(now time.Time) (time.Duration, *failure) {
	timeout := x.svc.ConnectTimeout
	if x.tryBy.IsZero() {
		return timeout, nil
	}
	left := x.tryBy.Sub(now)
	if left <= 0 {
		return 0, notAsked
	}
	if timeout == 0 || left < timeout {
		timeout = left
	}
	return timeout, nil
}
