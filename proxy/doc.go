// Package proxy has what the engines of different protocols share: listeners
// that accept and drain, routes that choose a service, the service as an engine
// sees it, its counters, and the access log.
//
//	Listener ── accepts ──► Engine (proxy/http, proxy/tcp)
//	                           │ Routes.Match
//	                           ▼
//	                        Service ── Balancer.Pick ──► endpoint
//	                           │
//	                           └── Stats, AccessLog
//
// Who logs never waits for a disk or a pipe: LogWriter is between.
//
// It knows nothing of the file, and the engines know nothing of each other.
package proxy
