// Package pickers measures the policies of package balance beside those of
// go-maglev and grpc-go, on the same endpoints. README.md says how to run it.
package pickers
