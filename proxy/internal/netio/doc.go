// Package netio is the connection that the engines read and write: a net.Conn
// whose data calls stay out of the Go scheduler's way.
package netio
