package config

// HealthCheck says how a service's endpoints are checked.
type HealthCheck struct {
	// TCP connects; HTTP sends a GET and wants status 200; SSL and HTTPS make a TLS
	// handshake first. Where the service speaks TLS, or has tls, an endpoint whose
	// certificate is not good by that is unhealthy; else any certificate will do. HTTP2
	// is HTTPS by HTTP/2. GRPC and GRPC_WITH_TLS call grpc.health.v1.Health/Check and
	// want SERVING. Required for UDP. Default: the service's protocol.
	Type string `toml:"type"`
	// From the start of a check to the start of the next, 10ms to 5m.
	// Default: `5s`.
	CheckInterval Duration `toml:"check_interval"`
	// How long a check may take, at least 1ms and at most check_interval.
	// Default: 5s, or check_interval if that is shorter.
	Timeout Duration `toml:"timeout"`
	// Successes in a row after which an endpoint is healthy, 1 to 10.
	// Default: `2`.
	HealthyThreshold int `toml:"healthy_threshold"`
	// Failures in a row after which an endpoint is unhealthy, 1 to 10.
	// Default: `2`.
	UnhealthyThreshold int `toml:"unhealthy_threshold"`
	// Whether one success is enough for an endpoint that was never checked before;
	// else it takes healthy_threshold of them. Default: `true`.
	FastStart bool `toml:"fast_start"`
	// Whether an endpoint that falls ill again and again stays out for longer each
	// time: for one check_interval from its fall, then two, four, at most a minute.
	// Ten minutes of health, and it begins anew. Default: false.
	FlapDamping bool `toml:"flap_damping,omitzero"`
	// Which port is checked: USE_FIXED_PORT, that of port, or if there is none 80 for
	// TCP and HTTP, 443 for SSL, HTTPS and HTTP2; USE_NAMED_PORT, the one that the
	// endpoint's group has under port_name in its named_ports; USE_SERVING_PORT, the
	// one that serves. Default: what port or port_name suggest, else USE_SERVING_PORT.
	PortSpecification string `toml:"port_specification"`
	// The port to check, 0 to 65535; 0 is none. Default: `0`.
	Port int `toml:"port"`
	// The name of the port to check. Without port_specification, port wins over it.
	// Not for GRPC_WITH_TLS. Default: none.
	PortName string `toml:"port_name,omitzero"`
	// What to GET, at most 1024 bytes. HTTP, HTTPS and HTTP2 only. Default: `/`.
	RequestPath string `toml:"request_path"`
	// The Host header. HTTP, HTTPS and HTTP2 only. Default: the endpoint's address.
	Host string `toml:"host"`
	// What the answer must hold, ASCII, at most 1024 bytes. HTTP, HTTPS and HTTP2:
	// somewhere in the first 1024 bytes of the body; letters, digits and spaces. TCP
	// and SSL: the first bytes received. Default: anything will do.
	Response string `toml:"response"`
	// Whether the answer must be response and nothing more, and the connection end
	// with it. TCP and SSL only. Default: false.
	StrictResponse bool `toml:"strict_response,omitzero"`
	// What is sent once connected, ASCII, at most 1024 bytes. TCP and SSL only, and
	// only beside response. Default: nothing.
	Request string `toml:"request"`
	// The service that is asked for, ASCII, at most 1024 bytes. GRPC and
	// GRPC_WITH_TLS only. Default: the whole server.
	GRPCServiceName string `toml:"grpc_service_name,omitzero"`
	// What is sent before everything else: NONE, or PROXY_V1, the line "PROXY UNKNOWN"
	// for endpoints that expect the PROXY protocol. Not for GRPC and GRPC_WITH_TLS.
	// Default: `NONE`.
	ProxyHeader string `toml:"proxy_header,omitzero"`
	// What is logged beside changes of health.
	LogConfig LogConfig `toml:"log_config,omitzero"`
}

// A LogConfig says what health checks log.
type LogConfig struct {
	// Whether every check is logged with what it came to. Default: false.
	Enable bool `toml:"enable"`
}

func (h *HealthCheck) setDefaults() {
	*h = HealthCheck{CheckInterval: 5 * second, HealthyThreshold: 2, UnhealthyThreshold: 2, FastStart: true}
}

// IsTLS reports whether endpoints are checked over TLS.
func (h *HealthCheck) IsTLS() bool {
	switch h.Type {
	case "SSL", "HTTPS", "HTTP2", "GRPC_WITH_TLS":
		return true
	}
	return false
}

// FixesPort reports whether endpoints are checked at another port than the one in
// their address, or may be.
func (h *HealthCheck) FixesPort() bool { return h.PortSpecification != useServingPort }

func (h *HealthCheck) isHTTP() bool {
	return h.Type == "HTTP" || h.Type == "HTTPS" || h.Type == "HTTP2"
}

func (h *HealthCheck) isGRPC() bool { return h.Type == "GRPC" || h.Type == "GRPC_WITH_TLS" }

// The values of port_specification.
const (
	useFixedPort   = "USE_FIXED_PORT"
	useNamedPort   = "USE_NAMED_PORT"
	useServingPort = "USE_SERVING_PORT"
)

var (
	healthTypes        = enum{allowed: []string{"TCP", "SSL", "HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC_WITH_TLS"}}
	portSpecifications = enum{allowed: []string{useFixedPort, useNamedPort, useServingPort}}
	proxyHeaders       = enum{allowed: []string{"NONE", "PROXY_V1"}}
)

func (l *loader) spellHealthCheck(path string, h *HealthCheck) {
	l.word(path+".type", &h.Type, healthTypes)
	l.word(path+".port_specification", &h.PortSpecification, portSpecifications)
	l.word(path+".proxy_header", &h.ProxyHeader, proxyHeaders)
}

func (l *loader) fillHealthCheck(path string, s *Service) {
	h := s.HealthCheck
	if s.Protocol != "UDP" { // which has nothing to check by
		orElse(&h.Type, s.Protocol)
	}
	if !l.has(path + ".timeout") {
		h.Timeout = min(5*second, h.CheckInterval)
	}
	if h.isHTTP() {
		orElse(&h.RequestPath, "/")
	}
	orElse(&h.ProxyHeader, "NONE")
	l.fillCheckPort(path, h)
}

// fillCheckPort decides which port is meant where the file does not say so.
func (l *loader) fillCheckPort(path string, h *HealthCheck) {
	switch {
	case h.PortSpecification != "":
	case h.Port != 0:
		if h.PortName != "" {
			l.warnf(path+".port_name", "is not used: port wins over it")
			h.PortName = ""
		}
		h.PortSpecification = useFixedPort
	case h.PortName != "":
		h.PortSpecification = useNamedPort
	default:
		h.PortSpecification = useServingPort
	}
	if h.PortSpecification == useFixedPort && h.Port == 0 {
		switch h.Type {
		case "TCP", "HTTP":
			h.Port = 80
		case "SSL", "HTTPS", "HTTP2":
			h.Port = 443
		}
	}
}
