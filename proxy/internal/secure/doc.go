// Package secure makes connections to endpoints, with TLS where their service
// wants it.
//
//	Dial ──► connect ──► Handshake ──► *netio.Conn
//	          TCP           TLS          plain or not, it is used alike
//
// Both steps share the service's connect timeout, and to those who look for an
// endpoint a handshake that fails is a connection that could not be made: no byte
// of a request has gone out, so any other endpoint may be tried. [DialCause]
// names the failure as RFC 9209 does.
//
// There is one exception. With TLS 1.3 a client is done before its server has
// looked at the client's certificate (RFC 8446 §4.4.2): that it does not like it
// comes as an alert on the first read. [Refused] knows that alert.
package secure
