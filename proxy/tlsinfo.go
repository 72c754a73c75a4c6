package proxy

import (
	"crypto/tls"
	"net"
)

// TLSInfo is what was agreed with a client that speaks TLS.
type TLSInfo struct {
	Version string // "TLS 1.3"
	Cipher  string // the IANA name of the cipher suite
	SNI     string // the name that the client asked for; "": none
}

// TLSInfoOf returns what was agreed on a connection whose handshake is over, nil
// where it does not speak TLS.
func TLSInfoOf(c net.Conn) *TLSInfo {
	over, ok := c.(interface{ TLS() *tls.Conn })
	if !ok || over.TLS() == nil {
		return nil
	}
	s := over.TLS().ConnectionState()
	return &TLSInfo{tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), s.ServerName}
}
