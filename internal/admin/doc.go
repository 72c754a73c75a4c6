// Package admin is the admin API: a server that a proxy runs beside
// its traffic, and the client that the verbs of cmd/spillway use.
//
//	GET  /livez                                    the process runs
//	GET  /readyz                                   it takes traffic; 503 says why not
//	GET  /metrics                                  Prometheus
//	GET  /api/v1/proxy                             the proxy as a whole: listeners, descriptors, ports, queues
//	GET  /api/v1/services                          {"services":[…]}
//	GET  /api/v1/services/{name}                   one of them
//	GET  /api/v1/services/{name}/explain?…         whom it would choose, and why: client, header, cookie, destination, avoid
//	POST /api/v1/services/{name}/endpoints/{id}    {"admin":"READY" | "DRAIN" | "DOWN"}
//	POST /api/v1/services/{name}/groups/{group}    {"capacity_scaler":0.5}; 0 drains, null is the file's own
//	POST /api/v1/reload                            read the file again
//	GET  /debug/pprof/                             when enabled
//
// Errors are problem JSON (RFC 9457). With a token, all but /livez and /readyz
// want "Authorization: Bearer TOKEN" (RFC 6750). An endpoint's ID, or a group's
// name, is one path segment: "unix:/run/a" is written unix:%2Frun%2Fa; the last
// segment may also simply go on, as in …/endpoints/unix:/run/a.
//
// The server knows the proxy only by the functions in Options, so it can be
// tested, and understood, without one:
//
//	internal/app ── Options{Services, SetAdmin, SetScaler, Reload, …} ──► Server ◄── curl, Prometheus
//	                                                                        ▲
//	cmd/spillway status, drain, ready, explain, … ──────── Client ──────────┘
//
// It is built on fasthttp.Server for the HTTP of one connection, and owns the
// connections itself: fasthttp's accept loop ends on the first shortage of
// descriptors, which is just when an operator wants to look, and its worker
// pool outlives Serve.
package admin
