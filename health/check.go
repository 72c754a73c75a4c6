package health

import (
	"crypto/tls"
	"strings"
	"time"
)

// Check says how the endpoints of a service are checked. It is plain data, comparable, and shared freely. The field
// names and limits are those of spec.md §8.1; each zero value is the default that [Check.WithDefaults] fills in.
type Check struct {
	Type               string        // "TCP" (the default), "SSL", "HTTP", "HTTPS", "HTTP2", "GRPC" or "GRPC_WITH_TLS", in any case
	CheckInterval      time.Duration // from the start of one check to the start of the next; default 5s
	Timeout            time.Duration // of one whole check, connecting included; default 5s, but never above CheckInterval
	HealthyThreshold   int           // successes in a row that make an endpoint healthy again; default 2
	UnhealthyThreshold int           // failures in a row that make it unhealthy; default 2

	// PortSpecification says which port is checked: "USE_FIXED_PORT", Port, or where that is 0 the one that is usual for
	// Type; "USE_NAMED_PORT", the one that the endpoint's group calls PortName; "USE_SERVING_PORT", the one in the
	// endpoint's address. Default: the first of them that Port, PortName or neither suggests.
	PortSpecification string
	Port              int
	PortName          string

	Host            string // HTTP, HTTPS, HTTP2: the Host field; default: the address that is checked
	RequestPath     string // HTTP, HTTPS, HTTP2: default "/"
	Request         string // TCP, SSL: what to send once connected
	Response        string // TCP, SSL: what the answer begins with. HTTP family: what the first 1024 bytes of the body hold
	StrictResponse  bool   // TCP, SSL: the answer is Response and ends there, with the connection
	GRPCServiceName string // GRPC, GRPC_WITH_TLS: the service to ask for; default: the whole server
	ProxyHeader     string // "NONE" (the default) or "PROXY_V1", which sends "PROXY UNKNOWN\r\n" first; not for GRPC

	// StrictStart makes an endpoint healthy after HealthyThreshold successes also the first time, when one is enough by
	// default: a fresh proxy with nobody to send to helps nobody.
	StrictStart bool
	// FlapDamping keeps an endpoint down, however well it seems, for one interval from its fall, for two when it falls
	// again, then four, and at most for a minute. Ten minutes of health are enough to begin anew.
	FlapDamping bool
	// LogResults asks whoever watches to log every check and not just changes of health (logConfig.enable).
	LogResults bool

	// TLS is for SSL, HTTPS, HTTP2 and GRPC_WITH_TLS, and not modified. Default: nil, any certificate will do and no
	// name is asked for (spec.md §8.2). With it, as traffic over TLS has, an endpoint is unhealthy whose certificate is
	// not good: traffic could not reach it either. A ServerName that is empty is the host in the address that is
	// checked then, and ALPN is the check's business.
	TLS *tls.Config
}

// The types of check.
const (
	TypeTCP         = "TCP"
	TypeSSL         = "SSL"
	TypeHTTP        = "HTTP"
	TypeHTTPS       = "HTTPS"
	TypeHTTP2       = "HTTP2" // over TLS: there is no h2c
	TypeGRPC        = "GRPC"  // without TLS
	TypeGRPCWithTLS = "GRPC_WITH_TLS"
)

// The values of PortSpecification.
const (
	UseFixedPort   = "USE_FIXED_PORT"
	UseNamedPort   = "USE_NAMED_PORT"
	UseServingPort = "USE_SERVING_PORT"
)

// The values of ProxyHeader.
const (
	ProxyNone = "NONE"
	ProxyV1   = "PROXY_V1"
)

// Types returns the types of check, TCP first.
func Types() []string {
	return []string{TypeTCP, TypeSSL, TypeHTTP, TypeHTTPS, TypeHTTP2, TypeGRPC, TypeGRPCWithTLS}
}

// asksHTTP reports whether the check is a GET.
func (c Check) asksHTTP() bool {
	return c.Type == TypeHTTP || c.Type == TypeHTTPS || c.Type == TypeHTTP2
}

func (c Check) asksGRPC() bool { return c.Type == TypeGRPC || c.Type == TypeGRPCWithTLS }

// overTLS reports whether the check begins with a TLS handshake.
func (c Check) overTLS() bool {
	return c.Type == TypeSSL || c.Type == TypeHTTPS || c.Type == TypeHTTP2 || c.Type == TypeGRPCWithTLS
}

// WithDefaults returns c with every default filled in and its words in upper case.
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
	c.ProxyHeader = strings.ToUpper(c.ProxyHeader)
	if c.ProxyHeader == "" {
		c.ProxyHeader = ProxyNone
	}
	return c.withPort()
}
