package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenConfig sets TCP keep-alive on the listening socket: connections inherit
// it, which saves each the four system calls that package net would make. They inherit
// being transparent, too.
func listenConfig(transparent bool) net.ListenConfig {
	return net.ListenConfig{
		KeepAlive: -1, // net shall not
		Control: func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			err := c.Control(inheritKeepalive)
			if err == nil && transparent {
				err = setTransparent(c)
			}
			return err
		},
	}
}

// inheritKeepalive asks for what package net does by default: a client that has
// vanished without a word is noticed after 15 s and nine probes. Failing is no
// reason not to listen.
func inheritKeepalive(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9)
}
