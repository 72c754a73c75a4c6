package metrics

import "github.com/prometheus/client_golang/prometheus"

// What there is to scrape, in the order of the package comment.
var (
	requests = desc("requests_total",
		"HTTP responses by status code; endpoint is empty for those that Spillway made itself.",
		"service", "group", "endpoint", "code")
	duration = desc("request_duration_seconds",
		"Time from the end of a request's head to the last byte of its response.",
		"service")
	attempts = desc("attempts_total",
		"Tries on endpoints by how they ended; more than one for a request that was retried.",
		"service", "reason")
	retries = desc("retries_total",
		"Tries that were made again, on another endpoint or a fresh connection, by how the one before ended.",
		"service", "reason")
	retriesOverBudget = desc("retries_over_budget_total",
		"Retries that were not made, because too many were under way.",
		"service")
	loops = desc("loops_total",
		"HTTP requests that were refused because they had come through ten Spillways: they go in circles.",
		"service")
	endpointUp = desc("endpoint_up",
		"1 while the endpoint is healthy, or not checked at all; the operator's word does not count.",
		"service", "group", "endpoint")
	endpointActive = desc("endpoint_active",
		"Requests or connections on the endpoint now.",
		"service", "group", "endpoint")
	removedActive = desc("removed_endpoint_active",
		"Requests or connections on an endpoint that has left the file; there while it has any.",
		"service", "group", "endpoint")
	shareExpected = desc("endpoint_share_expected",
		"Part of new traffic that the endpoint should get now, from 0 to 1.",
		"service", "group", "endpoint")
	shareActual = desc("endpoint_share_actual",
		"Part of traffic that the endpoint got since shares last changed, from 0 to 1.",
		"service", "group", "endpoint")
	failoverActive = desc("failover_active",
		"1 while the backups of a service have its traffic, else 0; only of services with backups.",
		"service")
	healthChecks = desc("health_checks_total",
		"Health checks by result.",
		"service", "result")
	affinity = desc("affinity_total",
		"Picks with an affinity key (keyed), and those that had none although the service has affinity; and what strong cookies were worth (hit, moved, miss, invalid, expired, refused), and how many had to go elsewhere because their endpoint (at_max) or their group (group_full) had no room.",
		"service", "result")
	sourceFallbacks = desc("source_fallbacks_total",
		"Connections to endpoints that came from the proxy's address although source is CLIENT.",
		"service", "reason")
	tcpBytes = desc("tcp_bytes_total",
		"Bytes relayed by TCP connections and upgraded HTTP connections, inside the kernel (splice) or through memory (copy) for a reason.",
		"service", "direction", "path", "reason")
	connectionsCut = desc("connections_cut_total",
		"TCP connections, UDP sessions and HTTP exchanges that were cut because of what befell their endpoint.",
		"service", "cause")
	udpDatagrams = desc("udp_datagrams_total",
		"Datagrams that UDP sessions passed on.",
		"service", "direction")
	udpBytes = desc("udp_bytes_total",
		"Bytes of the datagrams that UDP sessions passed on.",
		"service", "direction")
	udpDropped = desc("udp_dropped_total",
		"Datagrams that a listener did not pass on, by reason.",
		"listener", "reason")
	connections = desc("connections",
		"Client connections, or UDP sessions, now.",
		"listener")
	tcpRefused = desc("tcp_refused_total",
		"Clients of TCP and SSL listeners that were reset because no endpoint could be had (no_endpoint), or no route takes the name they ask for, or they did not ask in time (no_route).",
		"listener", "reason")
	tcpIdleTimeouts = desc("tcp_idle_timeouts_total",
		"Connections of TCP and SSL listeners that ended because of silence.",
		"listener")
	proxyHeaders = desc("proxy_headers_total",
		"Connections that were to begin with a PROXY header, by what came; all that were not read are closed.",
		"listener", "result")
	reloads = desc("config_reloads_total",
		"Reloads of the configuration by result.",
		"result")
	logDropped = desc("log_dropped_total",
		"Lines that are missing in the log because it could not be written fast enough.")
	accessLogDropped = desc("access_log_dropped_total",
		"Lines that are missing in the access log because it could not be written fast enough.")
	buildInfo = desc("build_info",
		"Always 1; the labels say what runs.",
		"version", "goversion")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("spillway_"+name, help, labels, nil)
}

// all is every Desc above, for Describe.
var all = []*prometheus.Desc{
	requests, duration, attempts, retries, retriesOverBudget, loops, endpointUp, endpointActive, removedActive, shareExpected, shareActual,
	groupCapacity, groupUsage, groupFullness, groupUtilization, groupShareExpected, groupShareActual, spills,
	panicking, panics, shed, ejections, ejected, refusing,
	queued, queuedTotal, queueWait, overflows,
	failoverActive, healthChecks, loadReports, affinity, sourceFallbacks, tcpBytes, udpDatagrams, udpBytes, udpDropped, connectionsCut,
	connections, tcpRefused, tcpIdleTimeouts, proxyHeaders, reloads,
	discoveryUpdates, discoveryEndpoints,
	tlsHandshakes, tlsFailures, tlsReads, tlsNotAfter,
	logDropped, accessLogDropped, buildInfo,
}
