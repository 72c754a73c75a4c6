// Package testkit is what tests of several packages share. Nothing but tests
// imports it, and it imports nothing of ours, so any package's tests may.
//
//	func TestMain(m *testing.M) { testkit.LeakCheck(m) }
//
// A package that starts goroutines or opens sockets has that line in a file of
// its own. It is how "returns when all it started is gone", which the comments
// of Run, Watch and Serve promise, is kept.
package testkit
