package config

import "time"

// minInterval keeps a slip of the unit from turning checks into a flood.
const minInterval = Duration(10 * time.Millisecond)

func (l *loader) checkHealthCheck(path string, h *HealthCheck) {
	if h.CheckInterval < minInterval {
		l.errorf(path+".check_interval", "must be at least %v", minInterval)
	}
	switch {
	case h.Timeout < Duration(time.Millisecond):
		l.errorf(path+".timeout", "must be at least 1ms")
	case h.Timeout > h.CheckInterval:
		l.errorf(path+".timeout", "%v is longer than check_interval, which is %v", h.Timeout, h.CheckInterval)
	}
	if h.HealthyThreshold < 1 {
		l.errorf(path+".healthy_threshold", "must be at least 1")
	}
	if h.UnhealthyThreshold < 1 {
		l.errorf(path+".unhealthy_threshold", "must be at least 1")
	}
	l.checkRange(path+".port", int64(h.Port), 0, 65535)
	l.checkProbe(path+".request", h.Request)
	l.checkProbe(path+".response", h.Response)
	switch {
	case l.bad[path+".type"]:
	case h.Type == "HTTP":
		l.checkHTTPCheck(path, h)
	default:
		l.onlyWith(path+".request_path", h.RequestPath != "", `type = "HTTP"`)
		l.onlyWith(path+".host", h.Host != "", `type = "HTTP"`)
	}
}

func (l *loader) checkHTTPCheck(path string, h *HealthCheck) {
	l.onlyWith(path+".request", h.Request != "", `type = "TCP"`)
	if h.RequestPath[0] != '/' || !isPath(h.RequestPath) {
		l.errorf(path+".request_path", `must begin with "/" and hold no spaces`)
	}
	if h.Host != "" {
		if _, err := parseAddress(h.Host); err != nil {
			l.errorf(path+".host", "%v", err)
		}
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
	if len(s) > 1024 {
		l.errorf(path, "has %d bytes; at most 1024 are allowed", len(s))
	}
}
