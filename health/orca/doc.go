// Package orca has endpoints tell how busy they are out of band: over a stream of
// reports that they push, xds.service.orca.v3.OpenRcaService of gRPC (gRFC A51,
// spec.md §4.9). Whatever it is that they serve, reports need no traffic.
//
//	            ┌──────────── Watch, in the caller's goroutine ────────────┐
//	ctx, addr ─►│ connect ──► StreamCoreMetrics ──► health.LoadReport ─────┼─► report
//	            │    ▲                                   │                 │
//	            │    └── backoff ◄── end, error, silence ┘                 │
//	            └──────────────────────────────────────────────────────────┘
//
// It is a package of its own so that nobody pays for gRPC who has no use for it.
// Reports in HTTP responses are for health.LoadReader; package poll asks those
// endpoints that have a page.
package orca
