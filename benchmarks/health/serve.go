//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/health"
)

// serveAll is every endpoint: one listener on all addresses, whose connections get an answer and are closed. It prints
// its port, and ends with its input.
func serveAll(context.Context) error {
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if *kind == health.TypeTCP {
		return welcome(ln.(*net.TCPListener))
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	if n, _ := conn.Read(make([]byte, 1<<10)); n > 0 {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// welcome accepts connections and closes them, which is all that a TCP check asks for, with as little as that takes: the
// endpoints share the machine with who is measured.
func welcome(ln *net.TCPListener) error {
	f, err := ln.File()
	if err != nil {
		return err
	}
	defer f.Close()
	listener := int(f.Fd()) // blocks from here on: no poller
	for {
		conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err == nil {
			_ = unix.Close(conn)
		} else if err != unix.EINTR && err != unix.ECONNABORTED {
			return err
		}
	}
}
