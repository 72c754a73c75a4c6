// Package proxy has what the engines of different protocols share: listeners
// that accept and drain, routes that choose a service, the service as an engine
// sees it, its counters, and the access log.
//
//	Listener ── accepts, reads PROXY headers ──► (proxy/tlsfront) ──► Engine:
//	                                                      proxy/http, proxy/tcp
//	                           ┌── Routes.Match ─────────────────────────┘
//	                           ▼
//	                        Service ── Balancer.Pick ──► endpoint
//	                           │
//	                           └── Stats, AccessLog
//
// proxy/udp has listeners of its own, over the same Service.
//
// A Tracker for each service knows when connections have to end because of what
// has become of their endpoint, and tells the engines. Who logs never waits for a
// disk or a pipe: LogWriter is between.
//
// It knows nothing of the file, and the engines know nothing of each other.
package proxy
