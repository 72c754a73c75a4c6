package http

import (
	"errors"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// A failure is why an exchange did not end with the endpoint's response: what
// to tell the client, what to write in the log, and whose fault it was.
type failure struct {
	status int
	// cause is the error type of RFC 9209 §2.3 for Proxy-Status and the log.
	cause   string
	body    string
	outcome lb.Outcome
	reason  proxy.AttemptReason
}

// The failures. Those of the client are Neutral: they never count against an
// endpoint. Those before a connection has brought the first byte of a response are
// ConnectFailures, silence is a GatewayFailure, and what went wrong later a Failure.
var (
	noRoute       = &failure{404, "destination_not_found", "no route\n", lb.Neutral, 0}
	noEndpoint    = &failure{503, "destination_unavailable", "no healthy endpoint\n", lb.Neutral, 0}
	shed          = &failure{503, "destination_unavailable", "too few healthy endpoints for every request; try again later\n", lb.Neutral, 0}
	saturated     = &failure{503, "connection_limit_reached", "all endpoints are full\n", lb.Neutral, 0}
	sessionGone   = &failure{503, "destination_unavailable", "the session's endpoint cannot be had\n", lb.Neutral, 0}
	sessionFull   = &failure{503, "connection_limit_reached", "the session's endpoint is full\n", lb.Neutral, 0}
	circling      = &failure{508, "proxy_loop_detected", "the request goes in circles: it has come through too many Spillways\n", lb.Neutral, 0}
	bodyTooLarge  = &failure{413, "http_request_error", "request body too large\n", lb.Neutral, 0}
	badBody       = &failure{400, "http_request_error", "malformed request body\n", lb.Neutral, proxy.AttemptClientGone}
	clientSlow    = &failure{408, "http_request_error", "request timeout\n", lb.Neutral, proxy.AttemptClientGone}
	clientGone    = &failure{499, "client_gone", "", lb.Neutral, proxy.AttemptClientGone}
	aborted       = &failure{503, "connection_terminated", "shutting down\n", lb.Neutral, proxy.AttemptClientGone}
	refused       = &failure{502, secure.ConnectionRefused, "connection refused\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	unroutable    = &failure{502, secure.Unroutable, "no way to the endpoint\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	unresolved    = &failure{502, secure.Unresolved, "the endpoint's name has no address\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	connectSlow   = &failure{504, secure.TimedOut, "connection timeout\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	notConnected  = &failure{502, secure.Unavailable, "no connection\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	tlsCert       = &failure{502, secure.CertificateError, "the endpoint's certificate is not good\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	tlsAlert      = &failure{502, secure.AlertReceived, "the endpoint refused the TLS handshake\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	tlsBad        = &failure{502, secure.ProtocolError, "no TLS handshake with the endpoint\n", lb.ConnectFailure, proxy.AttemptConnectFailure}
	noResources   = &failure{503, secure.OutOfResources, "out of resources\n", lb.Neutral, proxy.AttemptConnectFailure}
	reset         = &failure{502, "connection_terminated", "", lb.Failure, proxy.AttemptReset}
	terminated    = &failure{502, "connection_terminated", "the endpoint closed the connection\n", lb.ConnectFailure, proxy.AttemptReset}
	stale         = &failure{502, "connection_terminated", "the endpoint closed the connection\n", lb.Neutral, proxy.AttemptStale}
	notAsked      = &failure{504, "http_response_timeout", "no response in time\n", lb.Neutral, proxy.AttemptTimeout}
	responseSlow  = &failure{504, "http_response_timeout", "no response in time\n", lb.GatewayFailure, proxy.AttemptTimeout}
	responseBad   = &failure{502, "http_protocol_error", "the endpoint's response is not valid\n", lb.Failure, proxy.AttemptBadResponse}
	responseCut   = &failure{502, "http_response_incomplete", "the endpoint's response is incomplete\n", lb.Failure, proxy.AttemptReset}
	upgradeFailed = &failure{502, "http_upgrade_failed", "the endpoint changed to a protocol nobody asked for\n", lb.Failure, proxy.AttemptBadResponse}
)

// requestRefused is the failure for a head that h1 refuses.
func requestRefused(err error) *failure {
	status, reason := 400, "malformed request\n"
	var e *h1.Error
	if errors.As(err, &e) {
		status, reason = e.Status, e.Reason+"\n"
	}
	return &failure{status, "http_request_error", reason, lb.Neutral, 0}
}

// pickFailed is the failure for an error of lb.Balancer.Pick.
func (x *exchange) pickFailed(err error) *failure {
	limit := lb.LimitOf(err)
	switch {
	case errors.Is(err, lb.ErrShed):
		return shed
	case x.want.Strict && limit == lb.EndpointsAtMax:
		return x.sessionRefused(err)
	case errors.Is(err, lb.ErrSaturated):
		return overLimit[limit]
	}
	return noEndpoint
}

// connectFailures are those of connections that were not made, by their causes.
var connectFailures = byCause(refused, unroutable, unresolved, connectSlow, notConnected, tlsCert, tlsAlert, tlsBad, noResources)

func byCause(all ...*failure) map[string]*failure {
	m := make(map[string]*failure)
	for _, f := range all {
		m[f.cause] = f
	}
	return m
}

// connectFailed is the failure for an error of a driver's dial.
func (x *exchange) connectFailed(err error) *failure {
	if secure.Cause(err) != "" {
		x.fault = err
	}
	return connectFailures[secure.DialCause(err)]
}
