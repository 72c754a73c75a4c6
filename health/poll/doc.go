// Package poll asks endpoints how busy they are: it gets a page from each at an
// interval and makes load reports of it (spec.md §2.6, §4.9).
//
//	            ┌────────── Watch, in the caller's goroutine ──────────┐
//	ctx, addr ─►│ timer ──► GET page ──► Parse ──► health.LoadReport ──┼─► report
//	            │   ▲                     pure                         │
//	            │   └── interval ± 10 %, start to start ───────────────┘
//	            └──────────────────────────────────────────────────────┘
//
// A page is one of two, by its Content-Type:
//
//	application/json   an OrcaLoadReport in the JSON of protobuf:
//	                   {"cpu_utilization": 0.7, "named_metrics": {"gpu": 0.2}}
//	text/plain         what Prometheus scrapes: gauges of the same names, of which
//	                   there may be many others; the named metric "gpu" is the gauge
//	                   named_metrics_gpu, or else gpu, with "_" for "." and "-"
//
// For endpoints that can be asked for the reports of gRPC there is package orca
// beside this one.
package poll
