package udp

import (
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// batchSize is how many datagrams go through one system call at most.
const batchSize = 32

// A batch is room for datagrams that are received, and the headers with which they
// go out again. Who reads borrows one: a session has none.
type batch struct {
	recv, send       [batchSize]sys.Message
	recvIOV, sendIOV [batchSize]unix.Iovec
	names, dests     [batchSize]unix.RawSockaddrInet6
	controls         [batchSize][controlSize]byte
	sources          [batchSize][controlSize]byte
	used             int // of recv: the others are as reset leaves them
	space            [batchSize][largest]byte
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	for i := range batchSize {
		b.recvIOV[i].Base = &b.space[i][0]
		b.recvIOV[i].SetLen(largest)
		b.reset(i)
	}
	return b
}}

func takeBatch() *batch { return batches.Get().(*batch) }

func (b *batch) free() { batches.Put(b) }

// reset makes a message ready to be received into.
func (b *batch) reset(i int) {
	m := &b.recv[i]
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrInet6
	m.Iov = &b.recvIOV[i]
	m.SetIovlen(1)
	m.Control = &b.controls[i][0]
	m.SetControllen(controlSize)
	m.Flags = 0
}

// receive receives into the messages from one on. emptied is as sys.RecvMessages
// has it.
func (b *batch) receive(fd, from int) (n int, emptied bool, errno syscall.Errno) {
	return b.fill(sys.RecvMessages, fd, from)
}

// receiveFailures receives what the kernel has to say of datagrams that were sent.
func (b *batch) receiveFailures(fd int) (n int, emptied bool, errno syscall.Errno) {
	return b.fill(sys.RecvFailures, fd, 0)
}

func (b *batch) fill(call func(int, []sys.Message) (int, bool, syscall.Errno), fd, from int) (n int, emptied bool, errno syscall.Errno) {
	b.clear(from)
	if n, emptied, errno = call(fd, b.recv[from:]); errno != 0 {
		return 0, false, errno
	}
	b.used = from + n
	return n, emptied, 0
}

func (b *batch) clear(from int) {
	for i := from; i < b.used; i++ {
		b.reset(i)
	}
	b.used = min(b.used, from)
}

func (b *batch) data(i int) []byte { return b.space[i][:b.recv[i].Len] }

// from is where a datagram is from; of a failure, where it was sent to.
func (b *batch) from(i int) netip.AddrPort { return addrPort(&b.names[i]) }

// local is where a datagram was sent to.
func (b *batch) local(i int, k *kind) netip.Addr {
	if !k.wildcard {
		return k.local
	}
	return destination(b.controls[i][:b.recv[i].Controllen], k)
}

// errno is what became of a datagram; 0: this is about something else.
func (b *batch) errno(i int) syscall.Errno {
	data := control(b.controls[i][:b.recv[i].Controllen], unix.SOL_IP, unix.IP_RECVERR)
	if data == nil {
		data = control(b.controls[i][:b.recv[i].Controllen], unix.SOL_IPV6, unix.IPV6_RECVERR)
	}
	if data == nil {
		return 0
	}
	e := (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
	if e.Origin == unix.SO_EE_ORIGIN_LOCAL { // the caller knows that
		return 0
	}
	return syscall.Errno(e.Errno)
}

// address makes the i-th message to send one to f's client, from where it has sent to.
func (b *batch) address(i int, f flow, k *kind, data []byte) {
	m := &b.send[i]
	m.Namelen = putAddr(&b.dests[i], f.client, k.is6)
	m.Name = (*byte)(unsafe.Pointer(&b.dests[i]))
	b.sendIOV[i].Base = unsafe.SliceData(data)
	b.sendIOV[i].SetLen(len(data))
	m.Iov = &b.sendIOV[i]
	m.SetIovlen(1)
	m.Control = nil
	m.SetControllen(0)
	if n := putSource(&b.sources[i], f, k); n > 0 {
		m.Control = &b.sources[i][0]
		m.SetControllen(n)
	}
}

// A rawAddr is an address as the kernel has it.
type rawAddr struct {
	sa  unix.RawSockaddrInet6
	len uint32
}

func rawOf(a netip.AddrPort) (r rawAddr) {
	r.len = putAddr(&r.sa, a, a.Addr().Is6())
	return r
}

// putAddr writes an address for a socket of IPv6 or IPv4 and returns its length.
func putAddr(sa *unix.RawSockaddrInet6, a netip.AddrPort, is6 bool) uint32 {
	if !is6 {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*in = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: sys.NetworkOrder(a.Port()), Addr: a.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: sys.NetworkOrder(a.Port()), Addr: a.Addr().As16(), Scope_id: scope(a.Addr())}
	return unix.SizeofSockaddrInet6
}

func addrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	ap := sys.AddrPort(sa)
	if sa.Family == unix.AF_INET6 && sa.Scope_id != 0 {
		ap = netip.AddrPortFrom(ap.Addr().WithZone(strconv.Itoa(int(sa.Scope_id))), ap.Port())
	}
	return ap
}

// scope is an address's zone as a number; see canonical.
func scope(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
