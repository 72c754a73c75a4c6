package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of spec.md §8.1. The API counts intervals in whole seconds and so starts at one; durations here are finer,
// and so is the lower limit.
const (
	minInterval  = 10 * time.Millisecond
	maxInterval  = 300 * time.Second
	maxThreshold = 10
	maxText      = 1024
)

// Validate reports everything that is wrong with c, defaults filled in, joined into one error. A field that the
// type would ignore is wrong too.
func (c Check) Validate() error {
	c = c.WithDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("health: "+format, args...)) }

	if !slices.Contains(Types(), c.Type) {
		bad("unknown type %q; %s are known", c.Type, strings.Join(Types(), ", "))
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
	if c.ProxyHeader != ProxyNone && c.ProxyHeader != ProxyV1 {
		bad("unknown proxy_header %q; %s and %s are known", c.ProxyHeader, ProxyNone, ProxyV1)
	}
	c.validatePort(bad)
	switch c.Type {
	case TypeHTTP, TypeHTTPS, TypeHTTP2:
		c.validateHTTP(bad)
	case TypeTCP, TypeSSL:
		c.validateTCP(bad)
	case TypeGRPC, TypeGRPCWithTLS:
		c.validateGRPC(bad)
	}
	if c.TLS != nil && !c.overTLS() {
		bad("TLS is not used by type %s", c.Type)
	}
	return errors.Join(errs...)
}

// unused says which of the fields are set that c's type would ignore.
func (c Check) unused(bad func(string, ...any), fields map[string]bool) {
	for _, name := range []string{"host", "request_path", "request", "response", "strict_response", "grpc_service_name", "proxy_header"} {
		if fields[name] {
			bad("%s is not used by type %s", name, c.Type)
		}
	}
}

func (c Check) validateHTTP(bad func(string, ...any)) {
	c.unused(bad, map[string]bool{
		"request": c.Request != "", "strict_response": c.StrictResponse, "grpc_service_name": c.GRPCServiceName != "",
	})
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
	c.unused(bad, map[string]bool{
		"host": c.Host != "", "request_path": c.RequestPath != "", "grpc_service_name": c.GRPCServiceName != "",
	})
	validateText(bad, "request", c.Request)
	validateText(bad, "response", c.Response)
	if c.Request != "" && c.Response == "" {
		bad("request without response: the answer would be ignored")
	}
	if c.StrictResponse && c.Response == "" {
		bad("strict_response without response: there is nothing to compare with")
	}
}

func (c Check) validateGRPC(bad func(string, ...any)) {
	c.unused(bad, map[string]bool{
		"host": c.Host != "", "request_path": c.RequestPath != "", "request": c.Request != "", "response": c.Response != "",
		"strict_response": c.StrictResponse, "proxy_header": c.ProxyHeader == ProxyV1,
	})
	validateText(bad, "grpc_service_name", c.GRPCServiceName)
}

// validateText wants ASCII of at most 1024 bytes.
func validateText(bad func(string, ...any), name, value string) {
	if len(value) > maxText {
		bad("%s is %d bytes, more than %d", name, len(value), maxText)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r > 0x7f }) {
		bad("%s %q is not ASCII", name, value)
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
