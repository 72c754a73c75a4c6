package config

// A Listener is an address that accepts traffic.
type Listener struct {
	// A name for logs and metrics, unlike any other listener's.
	// Default: what listen says.
	Name string `toml:"name"`
	// The address: host:port, :port for every address of the machine, or
	// unix:/path. Port 0 takes a free one. Required.
	Listen string `toml:"listen"`
	// What clients speak: HTTP, TCP or UDP; HTTPS or SSL, which is HTTP or TCP inside
	// TLS. Default: `HTTP`.
	Protocol string `toml:"protocol"`
	// The service that gets what no route matches. Default: none, which answers 404
	// over HTTP and resets the connection over TCP; then there must be routes.
	// Required for UDP.
	Service string `toml:"service"`
	// Whose X-Forwarded-For is believed: addresses and CIDR prefixes, read as
	// prefixes. The client is the right-most address that none of them holds.
	// With proxy_protocol, whose PROXY header is believed, too. HTTP and HTTPS, or
	// with proxy_protocol. Default: nobody's.
	TrustedProxies []string `toml:"trusted_proxies"`
	// Whether connections from trusted_proxies begin with a PROXY header, of
	// version 1 or 2: it has the client's address, for affinity, logs and, over
	// HTTP, X-Forwarded-For. Without one, or with a bad one, they are reset. Who
	// else connects is a client itself, and a header that it sends is data. On a
	// unix socket everybody sends one. Not for UDP. Default: false.
	ProxyProtocol bool `toml:"proxy_protocol,omitzero"`
	// How long a client may take to send a whole request head, or with TCP routes
	// its ClientHello, above 0; how long for a TLS handshake, and with
	// proxy_protocol for a PROXY header. Not for TCP without routes or
	// proxy_protocol. Default: `60s`.
	ClientTimeout Duration `toml:"client_timeout,omitzero"`
	// How long a client's connection is kept between requests, above 0. HTTP
	// and HTTPS only. Default: `610s`.
	KeepaliveTimeout Duration `toml:"keepalive_timeout,omitzero"`
	// The largest request head in bytes, 1024 to 1048576; a longer one is
	// answered with 431. HTTP and HTTPS only. Default: `65536`.
	MaxHeaderBytes int `toml:"max_header_bytes,omitzero"`
	// The most connections at once, for which more wait; for UDP the most sessions,
	// and the datagrams of more clients are dropped. 0 is no limit. Default: `0`.
	MaxConnections int `toml:"max_connections"`
	// Whether clients may be let in whom TPROXY has brought here although they dialed
	// another address. Needs Linux and CAP_NET_ADMIN or CAP_NET_RAW
	// (docs/transparent.md). Default: `false`.
	Transparent bool `toml:"transparent"`
	// TLS towards the clients. Required for HTTPS and SSL. Default: none.
	TLS *ListenerTLS `toml:"tls"`
	// Where requests go by host and path, or connections of TCP and SSL by sni; the
	// first that matches wins. Default: none.
	Routes []Route `toml:"route"`
}

// A Route says what becomes of the requests it matches. It has one of service,
// url_redirect and fixed_response. On a TCP or SSL listener it has sni and service,
// and nothing else. With TCP the TLS inside passes through as it is, with SSL it
// ends here.
type Route struct {
	// The name that a TLS client asks for in its ClientHello: exact, or
	// "*.example.com" for every name below it at any depth. Of an encrypted
	// ClientHello it is the public name. Required for TCP and SSL, and for them
	// only.
	SNI string `toml:"sni"`
	// The request's host without its port: exact, or "*.example.com" for every
	// name below it at any depth. Default: any host.
	Host string `toml:"host"`
	// What the request's path begins with, byte for byte; it begins with "/".
	// Default: `/`.
	PathPrefix string `toml:"path_prefix"`
	// The service that gets the request. Default: none.
	Service string `toml:"service"`
	// In place of the service's timeout; 0 is no limit. Default: the service's.
	Timeout Duration `toml:"timeout"`
	// The largest request body in bytes; a longer one is answered with 413. 0 is
	// no limit. Default: `0`.
	MaxBodyBytes int64 `toml:"max_body_bytes"`
	// Where the client is sent instead. Default: none.
	URLRedirect *URLRedirect `toml:"url_redirect"`
	// What the client is answered instead. Default: none.
	FixedResponse *FixedResponse `toml:"fixed_response"`
	// What the endpoints are asked for instead. Needs a service. Default: what the
	// client asks for.
	URLRewrite *URLRewrite `toml:"url_rewrite"`
	// Headers to remove and to add. Default: none.
	HeaderAction *HeaderAction `toml:"header_action"`
}
