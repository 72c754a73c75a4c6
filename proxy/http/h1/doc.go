// Package h1 is the HTTP/1.1 message core: pure functions on bytes.
package h1
