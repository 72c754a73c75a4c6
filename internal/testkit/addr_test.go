package testkit

import (
	"net"
	"runtime"
	"testing"
)

func TestAFreeAddressIsFreeForBothProtocols(t *testing.T) {
	addr := FreeAddr(t)
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("somebody listens at %s", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
}

// Who gets any port, or the same one, of 127.0.0.1 does not get the address.
func TestAFreeAddressIsNobodyElses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has more than one loopback address")
	}
	addr := FreeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	if next, _, _ := net.SplitHostPort(FreeAddr(t)); host == "127.0.0.1" || next == host {
		t.Errorf("%s, and then one of %s", addr, next)
	}
	if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil { // else somebody else is there
		defer l.Close()
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
