package tcp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// A junction is a bench whose clients are routed by name: exact.example and
// *.wild.example each have a service with one TLS endpoint, and what has no
// route goes to an endpoint that echoes, if there is one.
type junction struct {
	*bench
	ca       *testkit.Certificates
	settings *tcp.Settings
	mu       sync.Mutex
	greeted  map[string][][]byte // by route, what its endpoint has read of each client
}

// setupNames starts a junction. Whatever tune changes in its settings counts.
func setupNames(t *testing.T, d driver, tune func(*tcp.Settings)) *junction {
	t.Helper()
	j := &junction{ca: testkit.NewCertificates(t), greeted: make(map[string][][]byte)}
	j.bench = setup(t, d, nil, endpoint(t, echo))
	j.settings = &tcp.Settings{
		Service:       j.service,
		Routes:        proxy.NewRoutes([]proxy.Route{j.route("exact.example"), j.route("*.wild.example")}, nil),
		ClientTimeout: 10 * time.Second,
	}
	if tune != nil {
		tune(j.settings)
	}
	j.engine.SetSettings(j.settings)
	return j
}

// route is one to a service of its own, whose endpoint says its name to who has
// shaken hands, and then echoes.
func (j *junction) route(name string) proxy.Route {
	j.Helper()
	config := &tls.Config{
		Certificates: []tls.Certificate{j.ca.Server(name, strings.Replace(name, "*", "a", 1)).TLS},
		NextProtos:   []string{"p", "q"},
	}
	addr := endpoint(j.T, func(c *net.TCPConn) {
		spy := &spiedConn{Conn: c}
		s := tls.Server(spy, config)
		if s.Handshake() == nil {
			fmt.Fprintf(s, "%s, over %s\n", name, s.ConnectionState().NegotiatedProtocol)
			io.Copy(s, s)
			s.CloseWrite()
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.greeted[name] = append(j.greeted[name], spy.read)
	})
	b, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: []balance.Endpoint{{Addr: addr}}})
	must(j.T, err)
	return proxy.Route{Host: name, Service: &proxy.Service{Name: name, Balancer: b, Stats: new(proxy.Stats)}}
}

// read is what the route's endpoint has read of the one client that it has had. The endpoint says so when it is done,
// which may be after the proxy is.
func (j *junction) read(route string) []byte {
	j.Helper()
	var greeted [][]byte
	eventually(j, route+" has had a client", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		greeted = j.greeted[route]
		return len(greeted) > 0
	})
	if len(greeted) != 1 {
		j.Fatalf("%s has had %d clients", route, len(greeted))
	}
	return greeted[0]
}

// A spiedConn keeps what is read.
type spiedConn struct {
	net.Conn
	read []byte
}

func (s *spiedConn) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.read = append(s.read, p[:n]...)
	return n, err
}

// A pacedConn lets a client's first bytes go as rewrite makes them, and keeps what
// it has sent.
type pacedConn struct {
	net.Conn
	rewrite func([]byte) [][]byte
	sent    []byte
}

func (p *pacedConn) Write(b []byte) (int, error) {
	pieces := [][]byte{b}
	if p.sent == nil && p.rewrite != nil {
		pieces = p.rewrite(b)
	}
	for _, piece := range pieces {
		if n, err := p.Conn.Write(piece); err != nil {
			return n, err
		}
		p.sent = append(p.sent, piece...)
	}
	return len(b), nil
}

// visit shakes hands with who has the name, says something, and returns what the
// answer was and what has gone over the wire.
func (j *junction) visit(name string, rewrite func([]byte) [][]byte) (answer string, sent []byte) {
	j.Helper()
	p := &pacedConn{Conn: j.dial(), rewrite: rewrite}
	c := tls.Client(p, &tls.Config{ServerName: name, RootCAs: j.ca.Pool, NextProtos: []string{"q"}})
	must(j.T, c.Handshake())
	fmt.Fprint(c, "hello")
	must(j.T, c.CloseWrite())
	b, err := io.ReadAll(c)
	must(j.T, err)
	must(j.T, p.Conn.Close())
	return string(b), p.sent
}

func TestTLSGoesWhereItsNameLeadsUntouched(t *testing.T) {
	for name, route := range map[string]string{
		"exact.example":  "exact.example",
		"EXACT.example":  "exact.example",
		"a.wild.example": "*.wild.example",
		"a.WILD.eXample": "*.wild.example",
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				j := setupNames(t, d, nil)
				answer, sent := j.visit(name, nil)
				if want := route + ", over q\nhello"; answer != want {
					t.Errorf("answer %q, want %q", answer, want)
				}
				r := j.settled()
				if len(r) != 1 || r[0]["cause"] != "" || r[0]["service"] != route || r[0]["sni"] != name || r[0]["bytes_in"] != float64(len(sent)) {
					t.Errorf("records %v", r)
				}
				if !bytes.Equal(j.read(route), sent) {
					t.Error("the endpoint has not read what the client has sent")
				}
			})
		})
	}
}

// However the hello is cut up, by TCP or by TLS, it is understood and passed on.
func TestHellosMayComeInPieces(t *testing.T) {
	cut := func(b []byte, size int) (pieces [][]byte) {
		return slices.Collect(slices.Chunk(b, size))
	}
	inRecords := func(b []byte, size int) (records []byte) {
		for piece := range slices.Chunk(b[5:], size) {
			records = append(records, b[0], b[1], b[2], byte(len(piece)>>8), byte(len(piece)))
			records = append(records, piece...)
		}
		return records
	}
	for what, rewrite := range map[string]func([]byte) [][]byte{
		"byte by byte":             func(b []byte) [][]byte { return cut(b, 1) },
		"two segments":             func(b []byte) [][]byte { return cut(b, len(b)-1) },
		"many records":             func(b []byte) [][]byte { return [][]byte{inRecords(b, 50)} },
		"many records, in pieces":  func(b []byte) [][]byte { return cut(inRecords(b, 50), 7) },
		"records of a single byte": func(b []byte) [][]byte { return [][]byte{inRecords(b, 1)} },
	} {
		t.Run(what, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				j := setupNames(t, d, nil)
				p := &pacedConn{Conn: j.dial(), rewrite: rewrite}
				c := tls.Client(p, &tls.Config{ServerName: "exact.example", RootCAs: j.ca.Pool, CurvePreferences: []tls.CurveID{tls.X25519}})
				must(t, c.Handshake())
				c.Close()
				r := j.settled()
				if len(r) != 1 || r[0]["service"] != "exact.example" || !bytes.Equal(j.read("exact.example"), p.sent) {
					t.Errorf("records %v", r)
				}
			})
		})
	}
}

// Early bytes are more than a relay's buffer here, and the rest comes with them.
func TestAHugeHelloIsPassedOnWhole(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		got := make(chan []byte, 1)
		j := setupNames(t, d, func(s *tcp.Settings) {
			b, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: []balance.Endpoint{{Addr: endpoint(t, func(c *net.TCPConn) {
				b, _ := io.ReadAll(c)
				got <- b
			})}}})
			must(t, err)
			s.Routes = proxy.NewRoutes([]proxy.Route{{Host: "exact.example", Service: &proxy.Service{Name: "huge", Balancer: b, Stats: new(proxy.Stats)}}}, nil)
			s.Service = nil
		})
		stream := append(hugeHello("exact.example", 60<<10), "and what follows at once"...)
		c := j.dial()
		c.Write(stream)
		c.CloseWrite()
		io.ReadAll(c)
		if !bytes.Equal(<-got, stream) {
			t.Error("the endpoint has not read what the client has sent")
		}
		j.wantCause("")
	})
}

// hugeHello is a ClientHello of about size bytes in full records.
func hugeHello(name string, size int) (stream []byte) {
	u16 := func(n int) []byte { return []byte{byte(n >> 8), byte(n)} }
	sni := slices.Concat([]byte{0, 0}, u16(len(name)+5), u16(len(name)+3), []byte{0}, u16(len(name)), []byte(name))
	extensions := slices.Concat([]byte{0, 21}, u16(size), make([]byte, size), sni)
	body := slices.Concat([]byte{3, 3}, make([]byte, 32), []byte{0, 0, 2, 0x13, 1, 1, 0}, u16(len(extensions)), extensions)
	message := slices.Concat([]byte{1, byte(len(body) >> 16)}, u16(len(body)&0xffff), body)
	for piece := range slices.Chunk(message, 1<<14) {
		stream = slices.Concat(stream, []byte{22, 3, 1}, u16(len(piece)), piece)
	}
	return stream
}

// unrouted are clients whom no route takes, by what they send.
var unrouted = map[string]struct {
	sent string
	why  string
}{
	"plain HTTP":        {"GET / HTTP/1.1\r\nHost: exact.example\r\n\r\n", "not TLS"},
	"garbage":           {"\x00\xff\x16\x03\x01", "not TLS"},
	"SSL 2.0":           {"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "not TLS"},
	"a wrong message":   {"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "malformed"},
	"a hello too long":  {string(hugeHello("exact.example", 65480)) + strings.Repeat("x", 20<<10), "too long"},
	"another name":      {string(hugeHello("other.example", 10)), "found"},
	"the parent's name": {string(hugeHello("wild.example", 10)), "found"},
	"an empty name":     {string(hugeHello("", 10)), "malformed"},
	"no ASCII":          {string(hugeHello("\xff\x00\n.exact.example", 10)), "found"},
	"a name too long":   {string(hugeHello(strings.Repeat("x", 1<<14), 10)), "found"},
}

func TestWhatNoRouteTakesGoesToTheListenersService(t *testing.T) {
	for what, u := range unrouted {
		t.Run(what, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				j := setupNames(t, d, nil)
				c := j.dial()
				var sending sync.WaitGroup
				sending.Go(func() {
					io.WriteString(c, u.sent)
					c.CloseWrite()
				})
				got, err := io.ReadAll(c)
				sending.Wait()
				if err != nil || string(got) != u.sent {
					t.Errorf("%d bytes came back, %v; want the %d that were sent", len(got), err, len(u.sent))
				}
				if r := j.settled(); len(r) != 1 || r[0]["service"] != "test" || j.engine.Counters().Unrouted.Load() != 0 {
					t.Errorf("records %v", r)
				}
			})
		})
	}
}

func TestWhatNoRouteTakesIsResetWhereThereIsNoService(t *testing.T) {
	for what, u := range unrouted {
		t.Run(what, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				j := setupNames(t, d, func(s *tcp.Settings) { s.Service = nil })
				c := j.dial()
				var sending sync.WaitGroup
				sending.Go(func() { io.WriteString(c, u.sent) })
				wantReset(t, c)
				sending.Wait()
				r := j.settled()
				if len(r) != 1 || r[0]["cause"] != "destination_not_found" || r[0]["service"] != "" || r[0]["attempts"] != 0.0 {
					t.Errorf("records %v", r)
				}
				if n := j.engine.Counters().Unrouted.Load(); n != 1 {
					t.Errorf("%d counted", n)
				}
				if log := j.log.String(); !strings.Contains(log, "no route") || !strings.Contains(log, u.why) || len(log) > 2000 {
					t.Errorf("log: %.3000s", log)
				}
			})
		})
	}
}

func TestAClientThatStopsInTheMiddleIsResetInTime(t *testing.T) {
	whole := hugeHello("exact.example", 100)
	for _, n := range []int{0, 1, 5, len(whole) - 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				j := setupNames(t, d, func(s *tcp.Settings) { s.ClientTimeout = 50 * time.Millisecond })
				c, err := net.Dial("tcp", j.addr)
				if err == nil {
					defer c.Close()
					_, err = c.Write(whole[:n])
				}
				if !errors.Is(err, syscall.ECONNRESET) { // else we were late ourselves
					must(t, err)
					wantReset(t, c)
				}
				j.wantCause("connection_read_timeout")
				if j.engine.Counters().Unrouted.Load() != 1 || !strings.Contains(j.log.String(), "not in time") {
					t.Errorf("log: %s", j.log)
				}
			})
		})
	}
}

// The time is for the whole of it: it does not begin anew with each byte.
func TestAClientThatTricklesIsResetInTime(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		j := setupNames(t, d, func(s *tcp.Settings) { s.ClientTimeout = 100 * time.Millisecond })
		c := j.dial()
		stream := hugeHello("exact.example", 60<<10)
		var err error
		for ; err == nil && len(stream) > 0; stream = stream[1:] {
			_, err = c.Write(stream[:1])
			time.Sleep(time.Millisecond)
		}
		if err == nil {
			t.Error("it has all been taken")
		}
		j.wantCause("connection_read_timeout")
	})
}

// Nobody is to blame for who leaves, whether in good order or not.
func TestAClientThatLeavesInTheMiddleIsForgotten(t *testing.T) {
	for what, leave := range map[string]func(*net.TCPConn){
		"closes": func(c *net.TCPConn) { c.Close() }, "resets": abort, "says that it is done": func(c *net.TCPConn) { c.CloseWrite() },
	} {
		for _, sent := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
			t.Run(fmt.Sprintf("%s after %d bytes", what, len(sent)), func(t *testing.T) {
				eachDriver(t, func(t *testing.T, d driver) {
					j := setupNames(t, d, nil)
					c := j.dial()
					io.WriteString(c, sent)
					eventually(t, "the client to be there", func() bool { return j.engine.Active() == 1 })
					leave(c)
					j.wantCause("client_gone")
					if n := j.engine.Counters().Unrouted.Load(); n != 0 || strings.Contains(j.log.String(), "no route") {
						t.Errorf("%d counted, log: %s", n, j.log)
					}
				})
			})
		}
	}
}

func TestRoutesOfAReloadAreForThoseWhoComeAfterIt(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		j := setupNames(t, d, nil)
		early := j.dial() // and has said nothing yet
		eventually(t, "the client to be there", func() bool { return j.engine.Active() == 1 })

		next := *j.settings
		next.Routes = proxy.NewRoutes([]proxy.Route{j.route("new.example")}, nil)
		next.Service = nil
		j.engine.SetSettings(&next)
		if answer, _ := j.visit("new.example", nil); answer != "new.example, over q\nhello" {
			t.Errorf("answer %q", answer)
		}
		late := j.dial()
		late.Write(hugeHello("exact.example", 10))
		wantReset(t, late)

		c := tls.Client(early, &tls.Config{ServerName: "exact.example", RootCAs: j.ca.Pool})
		if err := c.Handshake(); err != nil {
			t.Errorf("who was there before: %v", err)
		}
		c.Close()
		j.settled()
	})
}

func TestAbortEndsThoseThatAreListenedTo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		j := setupNames(t, d, nil)
		c := j.dial()
		io.WriteString(c, "\x16\x03\x01")
		eventually(t, "the client to be there", func() bool { return j.engine.Active() == 1 })
		j.engine.Abort()
		wantReset(t, c)
		j.wantCause("aborted")
	})
}

// The search for an endpoint has its own time, whatever the client took of its.
func TestASlowHelloDoesNotTakeTheEndpointsTime(t *testing.T) {
	eachDriverAtOnce(t, func(t *testing.T, d driver) {
		var slow *proxy.Service
		j := setupNames(t, d, func(s *tcp.Settings) {
			b, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: []balance.Endpoint{{Addr: nobody(t)}, {Addr: endpoint(t, echo)}}})
			must(t, err)
			slow = &proxy.Service{Name: "slow", Balancer: b, Stats: new(proxy.Stats), ConnectTimeout: 300 * time.Millisecond}
			s.Service, s.Routes = slow, proxy.NewRoutes([]proxy.Route{{Host: "exact.example", Service: slow}}, nil)
		})
		clients := []*net.TCPConn{j.dial(), j.dial()} // one of them meets the one that refuses first
		time.Sleep(slow.ConnectTimeout * 7 / 2)       // the search may take three times that
		for _, c := range clients {
			io.WriteString(c, "plain")
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "plain" {
				t.Errorf("got %q, %v", got, err)
			}
		}
		if slow.Stats.Attempts[proxy.AttemptConnectFailure].Load() == 0 {
			t.Error("nobody has met the one that refuses")
		}
	})
}

// A front takes TLS off before the engine gets a connection.
type front struct {
	proxy.Engine
	config *tls.Config
}

func (f *front) ServeConn(c net.Conn) {
	inside := netio.TLSServer(netio.Wrap(c), f.config)
	if inside.TLS().Handshake() != nil {
		inside.Close()
		return
	}
	f.Engine.ServeConn(inside)
}

func TestWhereTLSIsOursItsNameLeads(t *testing.T) {
	j := setupNames(t, stream, nil)
	greet := func(name string) *proxy.Service {
		b, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: []balance.Endpoint{{Addr: endpoint(t, func(c *net.TCPConn) {
			io.WriteString(c, name)
		})}}})
		must(t, err)
		return &proxy.Service{Name: name, Balancer: b, Stats: new(proxy.Stats)}
	}
	config := &tls.Config{Certificates: []tls.Certificate{j.ca.Server("a.example").TLS}}
	l := &proxy.Listener{Name: "in", Addr: "127.0.0.1:0", Engine: &front{j.engine, config}, Log: slog.New(slog.DiscardHandler)}
	must(t, l.Listen())
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve(ctx) })
	defer serving.Wait()
	defer stop()
	visit := func(name string) string {
		c, err := tls.Dial("tcp", l.LocalAddr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		must(t, err)
		defer c.Close()
		got, _ := io.ReadAll(c)
		return string(got)
	}
	rest := greet("the rest")
	set := &tcp.Settings{Service: rest, Routes: proxy.NewRoutes([]proxy.Route{{Host: "a.example", Service: greet("a")}}, nil)}
	j.engine.SetSettings(set)
	for name, want := range map[string]string{"a.example": "a", "A.example": "a", "b.example": "the rest", "": "the rest"} {
		if got := visit(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	j.engine.SetSettings(&tcp.Settings{Routes: set.Routes})
	for name, want := range map[string]string{"a.example": "a", "b.example": "", "": ""} {
		if got := visit(name); got != want {
			t.Errorf("without a service, %q: got %q, want %q", name, got, want)
		}
	}
	if n := j.engine.Counters().Unrouted.Load(); n != 2 {
		t.Errorf("%d counted as unrouted", n)
	}
}
