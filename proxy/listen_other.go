//go:build !linux

package proxy

import (
	"net"
	"syscall"
)

func listenConfig(transparent bool) net.ListenConfig {
	if !transparent {
		return net.ListenConfig{}
	}
	return net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return CanBeTransparent() }}
}
