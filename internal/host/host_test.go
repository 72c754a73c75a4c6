package host_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/host"
)

// Lines of a little-endian machine, which is every one that tests run on.
const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000007 00:00000000 00000000     0        0 20651 1 0000000000000000 100 0 0 10 0
   1: 0201000A:C350 0302000A:0050 06 00000000:00000000 03:000017A2 00000000     0        0 0 3 0000000000000000
`

const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000100007F:9C40 01 00000000:00000005 00:00000000 00000000     0        0 1 1 0000000000000000 20 4 30 10 -1
`

func Example() {
	host.ParseSockets([]byte(tcp), func(s host.Socket) {
		fmt.Println(s.Local, s.Remote, s.Listens, s.Waiting)
	})
	// Output:
	// 127.0.0.1:8080 0.0.0.0:0 true 7
	// 10.0.1.2:50000 10.0.2.3:80 false 0
}

func TestSocketsOfIPv6AreRead(t *testing.T) {
	var got []string
	host.ParseSockets([]byte(tcp6), func(s host.Socket) { got = append(got, fmt.Sprint(s.Local, s.Remote, s.Listens)) })
	if want := "[[::]:80 [::]:0 true 127.0.0.1:80 127.0.0.1:40000 false]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLimitsOfOpenFilesAreRead(t *testing.T) {
	const head = "Limit                     Soft Limit           Hard Limit           Units     \n"
	for text, want := range map[string]uint64{
		head + "Max open files            1024                 4096                 files     \n": 1024,
		head + "Max open files            unlimited            unlimited            files     \n": ^uint64(0),
	} {
		if got, err := host.ParseOpenFiles([]byte(text)); got != want || err != nil {
			t.Errorf("%d, %v, want %d", got, err, want)
		}
	}
	for _, text := range []string{"", head, "Max open files", "Max open files x"} {
		if n, err := host.ParseOpenFiles([]byte(text)); err == nil {
			t.Errorf("%q: %d, want an error", text, n)
		}
	}
}

func TestOverflowsAreFoundByTheirName(t *testing.T) {
	const text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: InNoRoutes\nIpExt: 4\n"
	if n, err := host.ParseOverflows([]byte(text)); n != 2 || err != nil {
		t.Errorf("%d, %v, want 2", n, err)
	}
	for _, text := range []string{"", "TcpExt: ListenOverflows\n", "TcpExt: A ListenOverflows\nTcpExt: 1\n", "TcpExt: ListenOverflows\nTcpExt: x\n"} {
		if n, err := host.ParseOverflows([]byte(text)); err == nil {
			t.Errorf("%q: %d, want an error", text, n)
		}
	}
}

func TestAListenerOfOursIsAmongTheSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want, found := netip.MustParseAddrPort(l.Addr().String()), false
	err = host.Sockets(func(s host.Socket) { found = found || s.Listens && s.Local == want })
	if runtime.GOOS != "linux" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, want that there is no such file", err)
		}
		return
	}
	if err != nil || !found {
		t.Errorf("%v: %v is not there", err, want)
	}
	if open, limit, err := host.Descriptors(); open < 3 || limit <= open || err != nil {
		t.Errorf("%d of %d descriptors, %v", open, limit, err)
	}
	if low, high, err := host.Ports(); low < 1 || high < low || high > 65535 || err != nil {
		t.Errorf("ports %d to %d, %v", low, high, err)
	}
	if n, err := host.MaxQueue(); n < 1 || err != nil {
		t.Errorf("queue of %d, %v", n, err)
	}
	if _, err := host.Overflows(); err != nil {
		t.Error(err)
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add([]byte(tcp))
	f.Add([]byte(tcp6))
	f.Add([]byte("0: :0 :0 0A :"))
	f.Fuzz(func(t *testing.T, text []byte) {
		host.ParseSockets(text, func(s host.Socket) {
			if !s.Local.IsValid() || !s.Remote.IsValid() || s.Waiting < 0 || s.Waiting > 0 && !s.Listens {
				t.Errorf("%+v", s)
			}
		})
	})
}

func FuzzParseFiles(f *testing.F) {
	f.Add([]byte("TcpExt: ListenOverflows\nTcpExt: 3\n"))
	f.Add([]byte("Max open files 1 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = host.ParseOverflows(text)
		_, _ = host.ParseOpenFiles(text)
	})
}

func BenchmarkParseSockets(b *testing.B) {
	text := []byte(strings.Repeat(tcp, 5000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		host.ParseSockets(text, func(host.Socket) {})
	}
}
