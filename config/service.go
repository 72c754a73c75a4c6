package config

// A Service is endpoints that can stand in for each other, with the rules for
// choosing among them.
type Service struct {
	// The name that listeners and routes refer to: letters, digits, ".", "_" and
	// "-", at most 63. Required.
	Name string `toml:"name"`
	// Addresses, or tables with the keys of an endpoint. Required, unless there
	// are backends.
	Endpoints []Endpoint `toml:"endpoints"`
	// What the endpoints speak: HTTP, HTTPS (HTTP/1.1 over TLS), TCP, SSL (TLS) or
	// UDP. Listeners of HTTP and HTTPS need HTTP or HTTPS here, those of TCP and SSL
	// need TCP or SSL. What goes to endpoints over TLS runs on goroutines, whatever
	// `[proxy] engine` says. Default: as the listeners that use the service, without TLS.
	Protocol string `toml:"protocol"`
	// From whose address endpoints are dialed: PROXY; or CLIENT, the client's own. That
	// needs Linux, CAP_NET_ADMIN or CAP_NET_RAW, and routes that lead the endpoints'
	// answers back here (docs/transparent.md). The client's port is not kept, and a
	// client that cannot be answered so, such as an endpoint of the service itself,
	// comes from the proxy's address. Health checks always do. Not for HTTP, whose
	// clients share connections. Default: `PROXY`.
	Source string `toml:"source,omitzero"`
	// How an endpoint is chosen: ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH,
	// MAGLEV, WEIGHTED_MAGLEV or WEIGHTED_ROUND_ROBIN. The last is for HTTP, and goes
	// by what endpoints report of their load, see weighted_round_robin.
	// WEIGHTED_MAGLEV is MAGLEV by the weights that endpoints report, 0 to 1000, in the
	// field X-Load-Balancing-Endpoint-Weight of their replies to a health_check of type
	// HTTP or HTTPS; 0 asks for no new traffic. As long as the last reply of any
	// endpoint has no valid one, or with another health_check or none, the weights of
	// the file count. Or ORIGINAL_DESTINATION,
	// for TCP on Linux: clients that netfilter has redirected here get the endpoint
	// that they have dialed, and others are refused (docs/transparent.md). Default:
	// ROUND_ROBIN, or MAGLEV when session_affinity is set and not the strong one.
	LocalityLBPolicy string `toml:"locality_lb_policy"`
	// What keeps a client on one endpoint: NONE, CLIENT_IP,
	// CLIENT_IP_NO_DESTINATION, CLIENT_IP_PROTO, CLIENT_IP_PORT_PROTO, and for
	// HTTP GENERATED_COOKIE, HEADER_FIELD, HTTP_COOKIE or STRONG_COOKIE_AFFINITY. The
	// last names the endpoint and works with every policy (docs/affinity.md). The others
	// but NONE need one that hashes: RING_HASH, MAGLEV or WEIGHTED_MAGLEV. Default: `NONE`.
	SessionAffinity string `toml:"session_affinity"`
	// How long clients keep the affinity cookie, whole seconds up to 1209600s
	// (two weeks); 0 is until the browser closes. GENERATED_COOKIE and
	// HTTP_COOKIE only. Default: `0s`.
	AffinityCookieTTL Duration `toml:"affinity_cookie_ttl,omitzero"`
	// HTTP: from sending the request to the last byte of the response, retries
	// included. TCP, and HTTP after an upgrade: how long a connection may be
	// without a byte in either direction. 0 is no limit. UDP: how long a session,
	// which is a client's address and port, is kept without a datagram in either
	// direction, above 0. Default: 30s, or 60s for UDP.
	Timeout Duration `toml:"timeout"`
	// How long one attempt to connect to an endpoint may take, for UDP to resolve
	// its name, above 0. Default: `5s`.
	ConnectTimeout Duration `toml:"connect_timeout"`
	// How long an idle connection to an endpoint is kept, above 0; the endpoints
	// should keep theirs longer. HTTP only. Default: `600s`.
	KeepaliveTimeout Duration `toml:"keepalive_timeout,omitzero"`
	// Which of a group's named_ports endpoints without a port get. With backends
	// only, and not for UDP. Default: none.
	PortName string `toml:"port_name"`
	// What happens when fewer than panic_threshold percent of the endpoints are
	// healthy: open sends traffic to all of them, closed refuses it, and shed gives
	// the healthy ones what they get when all are healthy, and refuses the rest. Not
	// with a failover_policy, which has its own rule. Default: closed for HTTP, open
	// for TCP and UDP.
	Panic string `toml:"panic"`
	// Percent of the endpoints, 0 to 100; 0 means that panic begins only when
	// nobody is healthy, and does not go with shed. Default: `0`.
	PanicThreshold int `toml:"panic_threshold"`
	// How endpoints are reached over TLS, by traffic and by health checks. HTTPS and
	// SSL, or a health check over TLS beside another protocol. Default: by the system's
	// authorities and the endpoints' own hosts; for such a check any certificate will do.
	TLS *ServiceTLS `toml:"tls"`
	// How weights follow from load reports. WEIGHTED_ROUND_ROBIN only.
	WeightedRoundRobin *WeightedRoundRobin `toml:"weighted_round_robin"`
	// When endpoints that fail are taken out for a while. Default: none, and then what
	// traffic comes to is no evidence against anybody.
	OutlierDetection *OutlierDetection `toml:"outlier_detection"`
	// How endpoints that join or come back warm up. Default: none, and then they get
	// their whole share at once.
	SlowStart *SlowStart `toml:"slow_start"`
	// What hash policies and cookie and header affinity need to know.
	ConsistentHash ConsistentHash `toml:"consistent_hash,omitzero"`
	// The cookie of STRONG_COOKIE_AFFINITY, and of nothing else.
	StrongSessionAffinityCookie *StrongCookie `toml:"strong_session_affinity_cookie"`
	// How endpoints are checked. Default: none, and then every endpoint counts
	// as healthy.
	HealthCheck *HealthCheck `toml:"health_check"`
	// Which tries on an endpoint are made again on another. HTTP only. Default:
	// none, and then three more endpoints are tried while none can be connected
	// to.
	Retry *Retry `toml:"retry"`
	// What is asked of the endpoints at once, and who waits when that is too much.
	// Default: no limits but the endpoints' own max, and nobody waits.
	CircuitBreakers *CircuitBreakers `toml:"circuit_breakers"`
	// When the backups among the backends take over. Default: when no primary is
	// healthy; and when nobody is, panic decides.
	FailoverPolicy *FailoverPolicy `toml:"failover_policy"`
	// Which part of each group this proxy uses. Default: all of it.
	Subsetting *Subsetting `toml:"subsetting"`
	// What keeps connections in the proxy's zone. TCP, SSL and UDP only.
	NetworkPassThroughLBTrafficPolicy NetworkPassThroughLBTrafficPolicy `toml:"network_pass_through_lb_traffic_policy,omitzero"`
	// The header that tells endpoints, before a client's bytes, the addresses that
	// it comes from and has dialed: NONE, V1 (a line of text) or V2 (binary) of the
	// PROXY protocol. The endpoints must expect it. TCP and SSL only, for HTTP
	// connections are shared by clients. Default: `NONE`.
	ProxyProtocol string `toml:"proxy_protocol,omitzero"`
	// Whether both sides of a connection that ends by timeout see a reset; else
	// they see an end in good order, as if the other side had closed. TCP and SSL
	// only. Default: false.
	EnableTCPReset bool `toml:"enable_tcp_reset,omitzero"`
	// How requests and connections to an endpoint end that is drained or removed.
	ConnectionDraining ConnectionDraining `toml:"connection_draining"`
	// Which connections stay with an endpoint. TCP, SSL and UDP only.
	ConnectionTrackingPolicy ConnectionTrackingPolicy `toml:"connection_tracking_policy,omitzero"`
	// How traffic is spread over groups that have a target capacity. Needs a
	// balancing_mode. Default: nearest region first.
	ServiceLBPolicy *ServiceLBPolicy `toml:"service_lb_policy"`
	// Metrics that endpoints report, by which WEIGHTED_ROUND_ROBIN weighs them: the
	// highest counts. Default: none.
	CustomMetrics []CustomMetric `toml:"custom_metrics"`
	// How endpoints tell how busy they are, where that counts. Default: in their
	// responses.
	Utilization *Utilization `toml:"utilization"`
	// Groups in place of endpoints. Default: none.
	Backends []Backend `toml:"backend"`
}

// ConsistentHash has the details of hash policies and of cookie and header
// affinity.
type ConsistentHash struct {
	// The header that HEADER_FIELD affinity hashes. Required for it, and for
	// nothing else.
	HTTPHeaderName string `toml:"http_header_name"`
	// The fewest points on the ring, 1 to 8388608. RING_HASH only.
	// Default: `1024`.
	MinimumRingSize int `toml:"minimum_ring_size,omitzero"`
	// Slots of the table: a prime up to 5000011, no fewer than endpoints. MAGLEV
	// and WEIGHTED_MAGLEV only. Default: `65537`.
	MaglevTableSize int `toml:"maglev_table_size,omitzero"`
	// The cookie of HTTP_COOKIE and GENERATED_COOKIE affinity.
	HTTPCookie HTTPCookie `toml:"http_cookie,omitzero"`
}

// HTTPCookie is the affinity cookie, set by the proxy when the client has none.
type HTTPCookie struct {
	// The cookie's name. Required for HTTP_COOKIE. Default for
	// GENERATED_COOKIE: GCILB.
	Name string `toml:"name"`
	// The paths below which clients send the cookie. GENERATED_COOKIE takes no
	// other. Default: `/`.
	Path string `toml:"path"`
	// How long clients keep the cookie, in whole seconds; 0 is until the browser
	// closes. Default: affinity_cookie_ttl.
	TTL Duration `toml:"ttl"`
}

// Retry says which tries on an endpoint are made again on another, and how
// often. Where no other endpoint can be had, the client gets what came of the
// last try. What an endpoint may have seen is sent again only if its method is
// idempotent (GET, HEAD, PUT, DELETE, OPTIONS, TRACE), all of it came along with
// its head, and no part of a response has gone to the client. At most a fifth of
// a service's requests may be retries at any time, or three, unless circuit_breakers
// say otherwise.
type Retry struct {
	// What is tried again: connect-failure, no connection; refused-stream, the
	// connection ended before anything was sent; gateway-error, the client would
	// get a 502, 503 or 504, from the endpoint or for want of a response; 5xx, the
	// same for every 5xx; retriable-4xx, a 409.
	// Default: `["connect-failure", "refused-stream"]`.
	RetryOn []string `toml:"retry_on"`
	// The most endpoints that are tried after the first, 0 to 100. With 0 nothing
	// is sent twice. Default: `1`.
	NumRetries int `toml:"num_retries"`
	// How long one try may take from connecting to the head of the response, above
	// 0. The timeout goes on beside it, and is all there is for a request whose body
	// did not come along with its head: that cannot be sent again. Default: the
	// timeout.
	PerTryTimeout Duration `toml:"per_try_timeout,omitzero"`
}
