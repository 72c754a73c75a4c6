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
	l.checkRange(path+".port", int64(h.Port), 0, 65535)
	l.checkProbe(path+".request", h.Request)
	l.checkProbe(path+".response", h.Response)
	switch {
	case l.bad[path+".type"]:
	case h.isHTTP():
		l.checkHTTPCheck(path, h)
	default:
		l.onlyWith(path+".request_path", h.RequestPath != "", `type = "HTTP" or "HTTPS"`)
		l.onlyWith(path+".host", h.Host != "", `type = "HTTP" or "HTTPS"`)
		l.onlyWith(path+".request", h.Request != "" && h.Response == "", "response: without it the answer would be ignored")
	}
}

func (l *loader) checkHTTPCheck(path string, h *HealthCheck) {
	l.onlyWith(path+".request", h.Request != "", `type = "TCP" or "SSL"`)
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
