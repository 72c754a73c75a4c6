// Package metrics shows the live counters of a running proxy to Prometheus.
//
//	traffic ──► atomics in proxy.Stats and balance.Load     (all the time, a few additions)
//	                       ▲
//	scrape ──► Collector ──┘ reads them, labels from the file (every 15 s or so)
//
// Nothing is registered or updated while traffic flows: the counters that the
// proxy keeps for itself are the metrics, and a Collector reads them when
// somebody asks. So a metric costs nothing per request, and a service that a
// reload removed is gone from the next scrape without anybody unregistering it.
//
// Every label value comes from the file, or from a list in this repository;
// never from a request. Names have the prefix spillway_ and base units. An
// answer that Spillway made itself has endpoint="" and group="".
//
//	spillway_requests_total{service,group,endpoint,code}
//	spillway_request_duration_seconds{service}
//	spillway_attempts_total{service,reason}
//	spillway_retries_total{service,reason}
//	spillway_retries_over_budget_total{service}
//	spillway_loops_total{service}
//	spillway_endpoint_up, _active, _share_expected, _share_actual {service,group,endpoint}
//	spillway_endpoint_ejected, _refusing {service,group,endpoint}
//	spillway_ejections_total{service,group,endpoint,reason}
//	spillway_removed_endpoint_active{service,group,endpoint}
//	spillway_group_capacity, _usage, _fullness, _share_expected, _share_actual {service,group}
//	spillway_spill_total{service,from,to}
//	spillway_failover_active{service}
//	spillway_panic, _panics_total, _shed_total {service}
//	spillway_requests_queued, _queued_total, _queue_wait_seconds {service}
//	spillway_overflows_total{service,limit}
//	spillway_health_checks_total{service,result}
//	spillway_load_reports_total{service,result}
//	spillway_affinity_total{service,result}
//	spillway_source_fallbacks_total{service,reason}
//	spillway_tcp_bytes_total{service,direction,path,reason}
//	spillway_connections_cut_total{service,cause}
//	spillway_udp_datagrams_total, spillway_udp_bytes_total {service,direction}
//	spillway_udp_dropped_total{listener,reason}
//	spillway_connections{listener}
//	spillway_tcp_refused_total{listener,reason}
//	spillway_tcp_idle_timeouts_total{listener}
//	spillway_proxy_headers_total{listener,result}
//	spillway_tls_handshakes_total{listener,kind}
//	spillway_tls_handshake_failures_total{listener,cause}
//	spillway_tls_file_reloads_total{listener,result}
//	spillway_tls_certificate_not_after_seconds{listener,cert_file}
//	spillway_discovery_updates_total{group,result}, spillway_discovery_endpoints{group}
//	spillway_config_reloads_total{result}
//	spillway_log_dropped_total, spillway_access_log_dropped_total
//	spillway_build_info{version,goversion}
package metrics
