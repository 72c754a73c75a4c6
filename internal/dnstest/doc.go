// Package dnstest is a name server for tests, on loopback, over UDP and TCP.
//
//	s := dnstest.Serve(t)
//	s.Set("web.test", "A", "web.test. 1 IN A 127.0.0.1")
package dnstest
