package health

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Check says how the endpoints of a service are checked. It is plain data, comparable, and shared freely. The field
// names and limits are those of spec.md §8.1; each zero value is the default that [Check.WithDefaults] fills in.
type Check struct {
	Type               string        // "TCP" (the default), "SSL", "HTTP" or "HTTPS", in any case
	CheckInterval      time.Duration // from the start of one check to the start of the next; default 5s
	Timeout            time.Duration // of one whole check, connecting included; default 5s, but never above CheckInterval
	HealthyThreshold   int           // successes in a row that make an endpoint healthy again; default 2
	UnhealthyThreshold int           // failures in a row that make it unhealthy; default 2
	Port               int           // to check instead of the serving port; 0: the serving port
	Host               string        // HTTP, HTTPS: the Host field; default: the address that is checked
	RequestPath        string        // HTTP, HTTPS: default "/"
	Request            string        // TCP, SSL: what to send once connected
	Response           string        // TCP, SSL: what the answer begins with. HTTP, HTTPS: what the first 1024 bytes of the body hold

	// TLS is for SSL and HTTPS, and not modified; nil stands for an empty one. A ServerName that is empty is the host
	// in the address that is checked, and ALPN is the check's business. Unlike Google's, a check finds an endpoint
	// unhealthy whose certificate is not good: traffic, which goes by the same settings, could not reach it either.
	TLS *tls.Config
}

// The types this version knows.
const (
	TypeTCP   = "TCP"
	TypeSSL   = "SSL"
	TypeHTTP  = "HTTP"
	TypeHTTPS = "HTTPS"
)

// asksHTTP reports whether the check is an HTTP request.
func (c Check) asksHTTP() bool { return c.Type == TypeHTTP || c.Type == TypeHTTPS }

// overTLS reports whether the check begins with a TLS handshake.
func (c Check) overTLS() bool { return c.Type == TypeSSL || c.Type == TypeHTTPS }

// Limits of spec.md §8.1. The API counts intervals in whole seconds and so starts at one; durations here are finer,
// and so is the lower limit.
const (
	minInterval  = 10 * time.Millisecond
	maxInterval  = 300 * time.Second
	maxThreshold = 10
	maxText      = 1024
)

// WithDefaults returns c with every default filled in and Type in upper case.
func (c Check) WithDefaults() Check {
	c.Type = strings.ToUpper(c.Type)
	if c.Type == "" {
		c.Type = TypeTCP
	}
	if c.CheckInterval == 0 {
		c.CheckInterval = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = min(5*time.Second, c.CheckInterval)
	}
	if c.HealthyThreshold == 0 {
		c.HealthyThreshold = 2
	}
	if c.UnhealthyThreshold == 0 {
		c.UnhealthyThreshold = 2
	}
	if c.RequestPath == "" && c.asksHTTP() {
		c.RequestPath = "/"
	}
	return c
}

// Validate reports everything that is wrong with c, defaults filled in, joined into one error. A field that the
// type would ignore is wrong too.
func (c Check) Validate() error {
	c = c.WithDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("health: "+format, args...)) }

	switch c.Type {
	case TypeTCP, TypeSSL, TypeHTTP, TypeHTTPS:
	case "HTTP2", "GRPC", "GRPC_WITH_TLS":
		bad("type %s is not supported by this version; TCP, SSL, HTTP and HTTPS are", c.Type)
	default:
		bad("unknown type %q; TCP, SSL, HTTP and HTTPS are supported", c.Type)
	}
	if c.CheckInterval < minInterval || c.CheckInterval > maxInterval {
		bad("check_interval %v is not between %v and %v", c.CheckInterval, minInterval, maxInterval)
	}
	if c.Timeout <= 0 {
		bad("timeout %v must be positive", c.Timeout)
	}
	if c.Timeout > c.CheckInterval {
		bad("timeout must be <= check_interval, but %v > %v", c.Timeout, c.CheckInterval)
	}
	if c.HealthyThreshold < 1 || c.HealthyThreshold > maxThreshold {
		bad("healthy_threshold %d is not between 1 and %d", c.HealthyThreshold, maxThreshold)
	}
	if c.UnhealthyThreshold < 1 || c.UnhealthyThreshold > maxThreshold {
		bad("unhealthy_threshold %d is not between 1 and %d", c.UnhealthyThreshold, maxThreshold)
	}
	if c.Port < 0 || c.Port > 65535 {
		bad("port %d is not between 1 and 65535 (0: the serving port)", c.Port)
	}
	switch c.Type {
	case TypeHTTP, TypeHTTPS:
		c.validateHTTP(bad)
	case TypeTCP, TypeSSL:
		c.validateTCP(bad)
	}
	if c.TLS != nil && !c.overTLS() {
		bad("TLS is not used by type %s", c.Type)
	}
	return errors.Join(errs...)
}

func (c Check) validateHTTP(bad func(string, ...any)) {
	if c.Request != "" {
		bad("request is not used by type %s", c.Type)
	}
	if !visible(c.Host) || strings.ContainsAny(c.Host, "/?#@") {
		bad("host %q is not a host", c.Host)
	}
	if c.RequestPath[0] != '/' || !visible(c.RequestPath) || strings.Contains(c.RequestPath, "#") {
		bad("request_path %q must begin with / and be ASCII without spaces and #", c.RequestPath)
	}
	if len(c.RequestPath) > maxText {
		bad("request_path is %d bytes, more than %d", len(c.RequestPath), maxText)
	}
	if len(c.Response) > maxText {
		bad("response is %d bytes, more than %d", len(c.Response), maxText)
	}
	if strings.ContainsFunc(c.Response, func(r rune) bool { return !plainText(r) }) {
		bad("response %q may hold letters, digits and spaces only for type %s", c.Response, c.Type)
	}
}

func (c Check) validateTCP(bad func(string, ...any)) {
	if c.Host != "" {
		bad("host is not used by type %s", c.Type)
	}
	if c.RequestPath != "" {
		bad("request_path is not used by type %s", c.Type)
	}
	for _, text := range []struct{ name, value string }{{"request", c.Request}, {"response", c.Response}} {
		if len(text.value) > maxText {
			bad("%s is %d bytes, more than %d", text.name, len(text.value), maxText)
		}
		if strings.ContainsFunc(text.value, func(r rune) bool { return r > 0x7f }) {
			bad("%s %q is not ASCII", text.name, text.value)
		}
	}
	if c.Request != "" && c.Response == "" {
		bad("request without response: the answer would be ignored")
	}
}

// plainText reports whether r may stand in the response of an HTTP check.
func plainText(r rune) bool {
	return r == ' ' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// visible reports whether s is printable ASCII without spaces, so that it cannot break out of a request line.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
