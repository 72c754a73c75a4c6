// Package chaos runs the real binary in front of twenty real processes, and does
// to these what befalls endpoints: they are killed, stopped, cut off, slow, wrong
// and of two minds about their health, while the operator drains, reloads and
// upgrades. It has nothing but tests.
//
//	go test ./internal/chaos                                           some seconds
//	go test ./internal/chaos -v -timeout 30m -chaos 15m -report R.md   a quarter of an hour, and a report
//	go test ./internal/chaos -v -seed 42                               with the choices of an earlier run
//
// Where it may, it does so in a network of its own, in which nobody else has
// ports, and packets can be dropped.
//
// What it promises of the proxy:
//
//   - a request that may be sent twice (GET) fails at most within the detection
//     time after a fault began: check_interval × (unhealthy_threshold − 1) +
//     timeout + one interval;
//   - a strong session moves only when something befell its endpoint; a drain does
//     not, nor does a reload, an upgrade or what befalls others;
//   - a TCP stream ends only when something befell its endpoint, or when the
//     proxy that it runs through was replaced and its drain_timeout is over;
//   - no more endpoints are ejected than max_ejection_percent says;
//   - when it is over, nothing is left: no lease, descriptor, goroutine or process.
package chaos
