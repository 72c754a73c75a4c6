//go:build unix

package main

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestDrainSaysThatTheProxyHasGone(t *testing.T) {
	t.Parallel()
	file := (&tcpProxy{one: "127.0.0.1:1", two: "127.0.0.1:2"}).text(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file[11] = strings.Replace(file[11], "127.0.0.1:1", l.Addr().String(), 1)
	p := start(t, "run", write(t, "a.toml", file...))
	db := p.await(`listening.*listener=db.*address=(\S+)`)
	admin := p.await(`listening.*listener=admin.*address=(\S+)`)
	for range 2 {
		c, err := net.Dial("tcp", db)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	at, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	d := (&tcpProxy{t: t, admin: admin}).drain("one", "--wait").says(" left")
	p.signal(os.Kill)
	d.ends(5, "cannot be reached")
}
