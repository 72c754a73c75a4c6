package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrUnreachable says that nobody answered as the admin API does: no
// connection, or none that lasted until the answer.
var ErrUnreachable = errors.New("the admin API cannot be reached")

const (
	// clientTimeout bounds one call: a reload with many endpoints takes seconds.
	clientTimeout = 30 * time.Second
	// upgradeTimeout is for the start of a process, and its first health checks.
	upgradeTimeout = 90 * time.Second
	// maxAnswer is far above the status of 100,000 endpoints.
	maxAnswer = 256 << 20
)

// A Client talks to a running proxy. Its methods may be called from any
// goroutine. Their errors are a *Problem where the server refused, and wrap
// ErrUnreachable where there was no answer.
type Client struct {
	addr  string
	token string
	http  http.Client
}

// NewClient returns a client of the API at addr, "host:port" or "unix:/path".
// The token may be "". Close it after use.
func NewClient(addr, token string) *Client {
	network, dial := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, dial = "unix", path
	}
	transport := &http.Transport{ // no proxy from the environment: this is our own machine or network
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, dial)
		},
	}
	return &Client{addr: addr, token: token, http: http.Client{
		Transport: transport,
		Timeout:   clientTimeout,
		// The API never redirects; whoever does is not to have the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Addr is where the API is.
func (c *Client) Addr() string { return c.addr }

// Close closes the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Services lists all services.
func (c *Client) Services(ctx context.Context) ([]ServiceStatus, error) {
	var body servicesBody
	err := c.call(ctx, http.MethodGet, "/api/v1/services", nil, &body)
	return body.Services, err
}

// Retired lists the services that have left the file and still have traffic.
func (c *Client) Retired(ctx context.Context) ([]RetiredStatus, error) {
	var body servicesBody
	err := c.call(ctx, http.MethodGet, "/api/v1/services", nil, &body)
	return body.Retired, err
}

// Service returns one service.
func (c *Client) Service(ctx context.Context, name string) (ServiceStatus, error) {
	var s ServiceStatus
	err := c.call(ctx, http.MethodGet, "/api/v1/services/"+url.PathEscape(name), nil, &s)
	return s, err
}

// SetAdmin sets the operator's word on an endpoint, "READY", "DRAIN" or "DOWN",
// and returns the endpoint as it is then.
func (c *Client) SetAdmin(ctx context.Context, service, endpoint, admin string) (EndpointStatus, error) {
	var e EndpointStatus
	path := "/api/v1/services/" + url.PathEscape(service) + "/endpoints/" + url.PathEscape(endpoint)
	err := c.call(ctx, http.MethodPost, path, adminBody{Admin: admin}, &e)
	return e, err
}

// CutNow drains an endpoint and cuts at once what is under way to it. One that was
// removed is drained already.
func (c *Client) CutNow(ctx context.Context, service, endpoint string, removed bool) (EndpointStatus, error) {
	var e EndpointStatus
	body := adminBody{Admin: "DRAIN", Cut: true}
	if removed {
		body.Admin = ""
	}
	path := "/api/v1/services/" + url.PathEscape(service) + "/endpoints/" + url.PathEscape(endpoint)
	err := c.call(ctx, http.MethodPost, path, body, &e)
	return e, err
}

// SetScaler sets a group's capacity scaler, nil for the file's own, and returns
// the group as it is then.
func (c *Client) SetScaler(ctx context.Context, service, group string, scaler *float64) (GroupStatus, error) {
	var g GroupStatus
	path := "/api/v1/services/" + url.PathEscape(service) + "/groups/" + url.PathEscape(group)
	err := c.call(ctx, http.MethodPost, path, map[string]*float64{"capacity_scaler": scaler}, &g)
	return g, err
}

// Reload makes the proxy read its file again, and returns when that is in
// effect. An invalid file is a *Problem that lists what is wrong.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/api/v1/reload", nil, nil)
}

// Upgrade makes the proxy start another in its place, and returns that one's process id
// once it serves. A *Problem says why there is none; then the proxy goes on as it was.
func (c *Client) Upgrade(ctx context.Context) (pid int, err error) {
	patient := *c
	patient.http.Timeout = upgradeTimeout
	var body upgradeBody
	err = patient.call(ctx, http.MethodPost, "/api/v1/upgrade", nil, &body)
	return body.PID, err
}

// Ready returns nil when the proxy takes traffic, and a *Problem that says why
// it does not.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/readyz", nil, nil)
}

// call sends in, if not nil, as JSON and reads the answer's JSON into out, if
// not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.host()+path, body)
	if err != nil {
		return fmt.Errorf("admin API at %s: %w", c.addr, err)
	}
	if in != nil {
		r.Header.Set("Content-Type", jsonType)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case err != nil:
		return c.unreachable(err)
	case answer.StatusCode != http.StatusOK:
		return c.refusal(answer, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s does not answer like Spillway's admin API: %w", c.addr, err)
	}
	return nil
}

// host is what goes into Host and URL; a socket's path would not do.
func (c *Client) host() string {
	if strings.HasPrefix(c.addr, "unix:") {
		return "localhost"
	}
	return c.addr
}

func (c *Client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL says no more than the address does
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.addr, err)
}

// refusal makes an error of an answer other than 200.
func (c *Client) refusal(answer *http.Response, text []byte) error {
	var p Problem
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if kind == problemType && json.Unmarshal(text, &p) == nil {
		p.Status = answer.StatusCode // the one that counts (RFC 9457 §3.1.2)
		return &p
	}
	return fmt.Errorf("%s does not answer like Spillway's admin API: %s", c.addr, answer.Status)
}
