package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// telling is an engine that tells each client where it seems to come from and to,
// and then repeats what it says.
type telling struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (e *telling) tell(c net.Conn, peer, local any) {
	e.mu.Lock()
	e.conns = append(e.conns, c)
	e.mu.Unlock()
	fmt.Fprintf(c, "%v %v\n", peer, local)
	io.Copy(c, c)
	c.Close()
}

func (e *telling) ServeConn(c net.Conn) {
	e.tell(c, netio.AddrPort(c.RemoteAddr()), netio.AddrPort(c.LocalAddr()))
}

func (e *telling) Drain() {}

func (e *telling) Abort() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		c.Close()
	}
}

// tellers are engines for each kind of entry that there is.
var tellers = map[string]func(*testing.T) Engine{
	"stream": func(*testing.T) Engine { return new(telling) },
}

// A greeted is a listener that expects headers from h.From.
type greeted struct {
	*testing.T
	l    *Listener
	log  *testkit.Buffer
	stop func() error
}

func eachTeller(t *testing.T, addr string, h *ProxyHeaders, f func(greeted)) {
	for name, engine := range tellers {
		t.Run(name, func(t *testing.T) {
			log := new(testkit.Buffer)
			l := &Listener{Name: "in", Addr: addr, Engine: engine(t), DrainTimeout: 10 * time.Second, Log: testkit.Logger(log)}
			if addr == "unix:" {
				l.Addr += filepath.Join(t.TempDir(), "s")
			}
			l.SetProxyHeaders(h)
			stop := sync.OnceValue(serve(t, l))
			g := greeted{t, l, log, stop}
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			f(g)
		})
	}
}

// counted waits until so many connections had each fate.
func (g *greeted) counted(read, malformed, timeout, ended uint64) {
	g.Helper()
	var got [4]uint64
	defer func() {
		if g.Failed() {
			g.Logf("read, malformed, timeout, ended: %v", got)
		}
	}()
	testkit.Eventually(g, func() bool {
		for i := range got {
			got[i] = g.l.Headers()[i].Load()
		}
		return got == [4]uint64{read, malformed, timeout, ended}
	})
}

func (g *greeted) dial() net.Conn { return dial(g.T, g.l) }

// says sends what in pieces, and returns the addresses that the engine saw and
// what it repeated.
func (g *greeted) says(c net.Conn, pieces ...string) (seen, rest string) {
	g.Helper()
	seen, rest, err := g.mayBeReset(c, pieces...)
	if err != nil {
		g.Fatalf("%q: %v", pieces, err)
	}
	return seen, rest
}

// mayBeReset is says for a connection that may be reset meanwhile.
func (g *greeted) mayBeReset(c net.Conn, pieces ...string) (seen, rest string, err error) {
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			return "", "", err
		}
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	r := bufio.NewReader(c)
	if seen, err = r.ReadString('\n'); err != nil {
		return seen, "", err
	}
	all, err := io.ReadAll(r)
	c.Close()
	return strings.TrimSpace(seen), string(all), err
}

func (g *greeted) wantReset(c net.Conn) {
	g.Helper()
	if b, err := io.ReadAll(c); len(b) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		g.Errorf("read %q, %v; want a reset", b, err)
	}
}

var fromHere = &ProxyHeaders{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: time.Minute}

const (
	header1 = "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n"
	header2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x2a\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01\x13\x88\x00\x50\x04\x00\x03abc"
	unknown1 = "PROXY UNKNOWN 1 2 3\r\n"
	local2   = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x03\x04\x00\x00"
)

func TestTheHeadersAddressesCountAndTheRestIsUntouched(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", fromHere, func(g greeted) {
		headers := map[string]string{
			header1:  "192.0.2.1:5000 198.51.100.2:443",
			header2:  "[2001:db8::1]:5000 10.0.0.1:80",
			unknown1: "", local2: "", // the socket's
		}
		n := uint64(0)
		for header, want := range headers {
			for _, body := range []string{"", "hello", header1, strings.Repeat("long ", 20000)} {
				for _, pieces := range [][]string{
					{header + body}, {header, body}, {header[:5], header[5:] + body}, append(strings.Split(header, ""), body),
				} {
					c := g.dial()
					want := want
					if want == "" {
						want = fmt.Sprint(c.LocalAddr(), " ", c.RemoteAddr())
					}
					if seen, rest := g.says(c, pieces...); seen != want && seen != strings.Split(want, " ")[0]+" invalid AddrPort" || rest != body {
						t.Fatalf("%q: seen %q, want %q; %d bytes repeated of %d", pieces[0], seen, want, len(rest), len(body))
					}
					n++
				}
			}
		}
		g.counted(n, 0, 0, 0)
	})
}

func TestWhoeverIsNoProxyIsAClientAndSoAreItsBytes(t *testing.T) {
	elsewhere := &ProxyHeaders{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::/0")}}
	eachTeller(t, "127.0.0.1:0", elsewhere, func(g greeted) {
		c := g.dial()
		seen, rest := g.says(c, header1+"hello")
		if !strings.HasPrefix(seen, c.LocalAddr().String()+" ") || rest != header1+"hello" {
			t.Errorf("seen %q, repeated %q", seen, rest)
		}
		g.counted(0, 0, 0, 0)
	})
}

func TestOnAUnixSocketEverybodySendsAHeader(t *testing.T) {
	eachTeller(t, "unix:", &ProxyHeaders{Timeout: time.Minute}, func(g greeted) {
		if seen, rest := g.says(g.dial(), header1[:9], header1[9:], "hello"); seen != "192.0.2.1:5000 198.51.100.2:443" || rest != "hello" {
			t.Errorf("seen %q, repeated %q", seen, rest)
		}
		if seen, rest := g.says(g.dial(), local2+"hello"); seen != "invalid AddrPort invalid AddrPort" || rest != "hello" {
			t.Errorf("of nobody: seen %q, repeated %q", seen, rest)
		}
	})
}

func TestNewHeadersCountForNewConnections(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", nil, func(g greeted) {
		for range 2 {
			if _, rest := g.says(g.dial(), header1+"hello"); rest != header1+"hello" {
				t.Errorf("without: repeated %q", rest)
			}
			g.l.SetProxyHeaders(fromHere)
			if seen, rest := g.says(g.dial(), header1+"hello"); rest != "hello" || !strings.HasPrefix(seen, "192.0.2.1") {
				t.Errorf("with: seen %q, repeated %q", seen, rest)
			}
			g.l.SetProxyHeaders(nil)
		}
	})
}

func TestBadHeadersAreResetCountedAndLogged(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", fromHere, func(g greeted) {
		for i, bad := range []string{
			"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 5000\r\n", header2[:12] + "\x21\x51\x00\x00",
		} {
			c := g.dial()
			io.WriteString(c, bad)
			g.wantReset(c)
			g.counted(0, uint64(i+1), 0, 0)
		}
		for _, want := range []string{"GET / HTTP", "127.0.0.1:", "no PROXY header", "does not have its form"} {
			if !strings.Contains(g.log.String(), want) {
				t.Errorf("the log lacks %q: %s", want, g.log)
			}
		}
	})
}

func TestAHeaderThatEndsIsReset(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", fromHere, func(g greeted) {
		for i, part := range []string{header1[:20], header2[:20], "P", ""} {
			c := g.dial()
			io.WriteString(c, part)
			c.(*net.TCPConn).CloseWrite()
			g.wantReset(c)
			g.counted(0, 0, 0, uint64(i+1))
		}
		if n := strings.Count(g.log.String(), `level=WARN msg="no PROXY`); n != 3 {
			t.Errorf("%d lines; those who say nothing are worth none:\n%s", n, g.log)
		}
	})
}

func TestAClientThatResetsBeforeItsHeaderHarmsNobody(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", fromHere, func(g greeted) {
		c := g.dial()
		io.WriteString(c, header1[:20])
		testkit.Eventually(t, func() bool { return g.l.Active() == 1 })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		testkit.Eventually(t, func() bool { return g.l.Active() == 0 })
		if seen, _ := g.says(g.dial(), header1); seen == "" {
			t.Error("nobody answers")
		}
	})
}

func TestAHeaderThatDoesNotComeInTimeIsReset(t *testing.T) {
	soon := &ProxyHeaders{From: fromHere.From, Timeout: 50 * time.Millisecond}
	eachTeller(t, "127.0.0.1:0", soon, func(g greeted) {
		for i, part := range []string{"", header1[:20]} {
			c := g.dial()
			io.WriteString(c, part)
			g.wantReset(c)
			g.counted(0, 0, uint64(i+1), 0)
		}
	})
}

func TestWhoWaitsForAHeaderKeepsNobodyElseWaiting(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", fromHere, func(g greeted) {
		slow := []net.Conn{g.dial(), g.dial(), g.dial()}
		for _, c := range slow {
			io.WriteString(c, header1[:7])
		}
		if _, rest := g.says(g.dial(), header1, "quick"); rest != "quick" {
			t.Errorf("repeated %q", rest)
		}
		for _, c := range slow {
			if seen, rest := g.says(c, header1[7:], "slow"); rest != "slow" || !strings.HasPrefix(seen, "192.0.2.1") {
				t.Errorf("seen %q, repeated %q", seen, rest)
			}
		}
		testkit.Eventually(t, func() bool { return g.l.Active() == 0 })
	})
}

func TestADrainDoesNotWaitLongForHeaders(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", &ProxyHeaders{From: fromHere.From}, func(g greeted) {
		silent, late := g.dial(), g.dial()
		testkit.Eventually(t, func() bool { return g.l.Active() == 2 })
		stopped, began := make(chan error), time.Now()
		go func() { stopped <- g.stop() }()
		testkit.Eventually(t, func() bool {
			c, err := net.Dial("tcp", g.l.LocalAddr().String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		seen, rest, err := g.mayBeReset(late, header1, "still served")
		tooLate := rest != "still served"
		if took := time.Since(began); tooLate && took < headerGrace { // else it is the machine that was slow
			t.Errorf("%v after the drain began: seen %q, repeated %q, %v", took, seen, rest, err)
		}
		g.wantReset(silent)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if n := g.l.Headers()[HeaderTimeout].Load(); n != 1 && !(tooLate && n == 2) {
			t.Errorf("%d timeouts", n)
		}
	})
}

func TestAnAbortEndsThoseWhoseHeaderHasNotCome(t *testing.T) {
	eachTeller(t, "127.0.0.1:0", &ProxyHeaders{From: fromHere.From}, func(g greeted) {
		g.l.DrainTimeout = 0
		c := g.dial()
		testkit.Eventually(t, func() bool { return g.l.Active() == 1 })
		if err := g.stop(); err != nil {
			t.Error(err)
		}
		g.wantReset(c)
	})
}

func TestHeadersAreExpectedFromPrefixesAlone(t *testing.T) {
	l := new(Listener)
	l.SetProxyHeaders(&ProxyHeaders{From: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("192.0.2.7/32"),
	}})
	var yes []string
	for _, peer := range []string{
		"10.255.0.1:1", "11.0.0.1:1", "[::ffff:10.0.0.1]:1", "[fe80::1%eth0]:1", "[fd00::1]:1", "192.0.2.7:1", "192.0.2.8:1",
	} {
		if l.expects(netip.MustParseAddrPort(peer)) != nil {
			yes = append(yes, peer)
		}
	}
	if want := []string{"10.255.0.1:1", "[::ffff:10.0.0.1]:1", "[fe80::1%eth0]:1", "192.0.2.7:1"}; !slices.Equal(yes, want) {
		t.Errorf("%v, want %v", yes, want)
	}
}
