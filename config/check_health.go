package config

import (
	"strings"
	"time"
)

// Limits of spec.md §8.1. minInterval keeps a slip of the unit from turning
// checks into a flood.
const (
	minInterval  = Duration(10 * time.Millisecond)
	maxInterval  = Duration(5 * time.Minute)
	maxThreshold = 10
	maxProbe     = 1024
)

func (l *loader) checkHealthCheck(path string, h *HealthCheck) {
	if h.CheckInterval < minInterval || h.CheckInterval > maxInterval {
		l.errorf(path+".check_interval", "%v is not from %v to %v", h.CheckInterval, minInterval, maxInterval)
	}
	switch {
	case h.Timeout < Duration(time.Millisecond):
		l.errorf(path+".timeout", "must be at least 1ms")
	case h.Timeout > h.CheckInterval:
		l.errorf(path+".timeout", "%v is longer than check_interval, which is %v", h.Timeout, h.CheckInterval)
	}
	l.checkRange(path+".healthy_threshold", int64(h.HealthyThreshold), 1, maxThreshold)
	l.checkRange(path+".unhealthy_threshold", int64(h.UnhealthyThreshold), 1, maxThreshold)
	l.checkProbe(path+".request", h.Request)
	l.checkProbe(path+".response", h.Response)
	l.checkProbe(path+".grpc_service_name", h.GRPCServiceName)
	l.checkPort(path, h)
	switch {
	case l.bad[path+".type"]:
		return
	case h.isHTTP():
		l.checkHTTPCheck(path, h)
	case !h.isGRPC():
		l.onlyWith(path+".request", h.Request != "" && h.Response == "", "response: without it the answer would be ignored")
		l.onlyWith(path+".strict_response", h.StrictResponse && h.Response == "", "response: there is nothing to compare with")
	}
	const http, tcp, grpc = `type = "HTTP", "HTTPS" or "HTTP2"`, `type = "TCP" or "SSL"`, `type = "GRPC" or "GRPC_WITH_TLS"`
	isTCP := !h.isHTTP() && !h.isGRPC()
	l.onlyWith(path+".request_path", h.RequestPath != "" && !h.isHTTP(), http)
	l.onlyWith(path+".host", h.Host != "" && !h.isHTTP(), http)
	l.onlyWith(path+".request", h.Request != "" && !isTCP, tcp)
	l.onlyWith(path+".strict_response", h.StrictResponse && !isTCP, tcp)
	l.onlyWith(path+".grpc_service_name", h.GRPCServiceName != "" && !h.isGRPC(), grpc)
	const notGRPC = "a type that is not GRPC"
	l.onlyWith(path+".response", h.Response != "" && h.isGRPC(), notGRPC)
	l.onlyWith(path+".proxy_header", h.ProxyHeader == "PROXY_V1" && h.isGRPC(), notGRPC)
}

// checkPort wants exactly one way to say which port is checked (spec.md §8.1).
func (l *loader) checkPort(path string, h *HealthCheck) {
	port, name := path+".port", path+".port_name"
	l.checkRange(port, int64(h.Port), 0, 65535)
	if l.bad[path+".port_specification"] || l.bad[path+".type"] {
		return
	}
	switch h.PortSpecification {
	case useFixedPort:
		l.onlyWith(name, h.PortName != "", `port_specification = "USE_NAMED_PORT"`)
		if h.Port == 0 && !l.bad[port] && h.isGRPC() {
			l.errorf(port, "is required with USE_FIXED_PORT: %s has no usual one", h.Type)
		}
	case useNamedPort:
		l.onlyWith(port, h.Port != 0, `port_specification = "USE_FIXED_PORT"`)
		switch {
		case h.PortName == "":
			l.errorf(name, "is required with USE_NAMED_PORT")
		case h.Type == "GRPC_WITH_TLS":
			l.errorf(name, "GRPC_WITH_TLS takes no named port")
		}
	default:
		l.onlyWith(port, h.Port != 0, `port_specification = "USE_FIXED_PORT"`)
		l.onlyWith(name, h.PortName != "", `port_specification = "USE_NAMED_PORT"`)
	}
}

// portKey is the key that a check's port comes from.
func (h *HealthCheck) portKey() string {
	if h.PortSpecification == useNamedPort {
		return "port_name"
	}
	return "port"
}

// checkNamedPort wants every group to have the port that is checked.
func (l *loader) checkNamedPort(path string, s *Service, c *Config) {
	h, key := s.HealthCheck, path+".health_check.port_name"
	if h == nil || h.PortSpecification != useNamedPort || h.PortName == "" {
		return
	}
	if len(s.Endpoints) > 0 {
		l.errorf(key, "the service's own endpoints have no named ports: put them in a group")
	}
	for _, b := range s.Backends {
		if g, _ := c.group(b.Group); g != nil && g.NamedPorts[h.PortName] == 0 {
			l.errorf(key, "the group %q has no port %q in its named_ports", b.Group, h.PortName)
		}
	}
}

func (l *loader) checkHTTPCheck(path string, h *HealthCheck) {
	switch {
	case h.RequestPath[0] != '/' || !isPath(h.RequestPath) || strings.Contains(h.RequestPath, "#"):
		l.errorf(path+".request_path", `must begin with "/" and be ASCII without spaces or "#"`)
	case len(h.RequestPath) > maxProbe:
		l.errorf(path+".request_path", "has %d bytes; at most %d are allowed", len(h.RequestPath), maxProbe)
	}
	if a, err := parseAddress(h.Host); err != nil {
		l.errorf(path+".host", "%v", err)
	} else if a.path != "" {
		l.errorf(path+".host", "%q is a socket, not a host", h.Host)
	}
	for i := range len(h.Response) {
		if c := h.Response[i]; c != ' ' && (!isBareByte(c) || c == '_' || c == '-') {
			l.errorf(path+".response", "may hold letters, digits and spaces only")
		}
	}
}

// checkProbe checks what is sent or expected (spec.md §8.1).
func (l *loader) checkProbe(path, s string) {
	for i := range len(s) {
		if s[i] > 127 {
			l.errorf(path, "must be ASCII")
		}
	}
	if len(s) > maxProbe {
		l.errorf(path, "has %d bytes; at most %d are allowed", len(s), maxProbe)
	}
}
