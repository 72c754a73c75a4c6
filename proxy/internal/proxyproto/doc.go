// Package proxyproto reads and writes the header of the PROXY protocol: the
// bytes before a connection's own with which a proxy tells the next one between
// which addresses its client had connected (versions 1 and 2 of
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
//
// It is pure. Parse is given the bytes that have come so far, and says whether
// the header is among them, and how long it is:
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n GET / HTTP/1.1 …
//	└──────────────── Size ───────────────────┘└─ not ours ─ …
//
// So its caller can look at what is there, take exactly the header, and leave the
// rest in the socket, from where the kernel can move it.
package proxyproto
