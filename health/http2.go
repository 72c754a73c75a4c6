package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// http2Checker is the check of type HTTP2: the GET of type HTTPS over HTTP/2, which the endpoint must take (spec.md
// §8.2). There is no h2c.
type http2Checker struct{ c Check }

func (h *http2Checker) Check(ctx context.Context, addr string) Result {
	var weight Weight
	r := attempt(ctx, h.c, addr, func(conn net.Conn, target string) (err error) {
		weight, err = h.converse(conn, target)
		return err
	})
	r.Weight = weight
	return r
}

func (h *http2Checker) converse(conn net.Conn, target string) (Weight, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+h.c.authority(target)+h.c.RequestPath, nil)
	if err != nil {
		return Weight{}, err
	}
	req.Header = http.Header{"User-Agent": {userAgent}, "Accept": {"*/*"}}
	var weight Weight
	err = overHTTP2(conn, req, func(resp *http.Response) (err error) {
		weight, err = h.c.judgeResponse(resp)
		return err
	})
	return weight, err
}

// overHTTP2 makes one request on conn, which is one over TLS if the request is, and has judge look at the response. The
// connection's deadline ends it all, and its end ends what net/http has started on it.
func overHTTP2(conn net.Conn, req *http.Request, judge func(*http.Response) error) error {
	if secured, ok := conn.(*tls.Conn); ok && secured.ConnectionState().NegotiatedProtocol != "h2" {
		return verdict("the endpoint does not speak HTTP/2 (ALPN)")
	}
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	transport := &http.Transport{
		DialContext:            dial,
		DialTLSContext:         dial,
		DisableCompression:     true,
		MaxResponseHeaderBytes: headLimit,
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerConnection: 2 * bodyLimit, MaxReceiveBufferPerStream: 2 * bodyLimit},
	}
	transport.Protocols.SetHTTP2(req.URL.Scheme == "https")
	transport.Protocols.SetUnencryptedHTTP2(req.URL.Scheme == "http")
	client, err := transport.NewClientConn(context.Background(), req.URL.Scheme, "endpoint:443") // which nobody dials
	if err != nil {
		return plainHTTP2(err)
	}
	defer client.Close()
	resp, err := client.RoundTrip(req)
	if err != nil {
		return plainHTTP2(err)
	}
	defer resp.Body.Close()
	return plainHTTP2(judge(resp))
}

// plainHTTP2 says in plain words what a peer does that speaks something else.
func plainHTTP2(err error) error {
	if err == nil || errors.As(err, new(verdict)) {
		return err
	}
	switch text := err.Error(); {
	case strings.Contains(text, "client conn could not be established"): // it hung up while we began
		return verdict("connection closed before it was one of HTTP/2")
	case strings.Contains(text, "frame too large"), strings.Contains(text, "looked like an HTTP/1.1 header"), strings.Contains(text, "PROTOCOL_ERROR"):
		return verdict("the endpoint does not speak HTTP/2")
	case strings.Contains(text, "header list larger"), strings.Contains(text, "COMPRESSION_ERROR"):
		return verdict(fmt.Sprintf("response head is malformed, or longer than %d bytes", headLimit))
	}
	return err
}

// authority is what the request is for.
func (c Check) authority(target string) string {
	switch {
	case c.Host != "":
		return c.Host
	case strings.Contains(target, "/"): // a Unix socket's path is not a host
		return "localhost"
	}
	return target
}
