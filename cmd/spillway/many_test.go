//go:build unix

package main

import (
	"encoding/binary"
	"flag"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

var connections = flag.Int("connections", 500, "connections at once; they take two descriptors each in the test, and two in the proxy")

// Each connection is there while all others are, and gets its own bytes back.
func TestManyConnectionsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var echoes sync.WaitGroup
	echoes.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			echoes.Go(func() {
				io.Copy(struct{ io.Writer }{c}, c) // not spliced: that takes descriptors
				c.Close()
			})
		}
	})
	t.Cleanup(func() { l.Close(); echoes.Wait() })
	p := start(t, "run", "-c", write(t, "many.toml",
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `protocol = "TCP"`, `service = "echo"`,
		`[[service]]`, `name = "echo"`, `endpoints = ["`+l.Addr().String()+`"]`))
	addr := p.await(listening)

	var all, clients sync.WaitGroup
	all.Add(*connections)
	for i := range *connections {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer c.Close()
			if !echoed(c, i) {
				t.Errorf("connection %d is not echoed at first", i)
			}
			all.Done()
			all.Wait()
			if !echoed(c, -i) {
				t.Errorf("connection %d is not echoed at last", i)
			}
			c.(*net.TCPConn).CloseWrite()
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("connection %d ends with %d bytes and %v", i, len(rest), err)
			}
		})
	}
	clients.Wait()
	p.signal(os.Interrupt)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// echoed reports whether what is sent comes back.
func echoed(c net.Conn, i int) bool {
	sent := binary.BigEndian.AppendUint64(make([]byte, 500), uint64(i))
	got := make([]byte, len(sent))
	c.SetDeadline(time.Now().Add(time.Minute))
	_, err := c.Write(sent)
	if err == nil {
		_, err = io.ReadFull(c, got)
	}
	return err == nil && slices.Equal(got, sent)
}
