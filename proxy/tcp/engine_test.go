package tcp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// A bench is an engine between a listener and its endpoints.
type bench struct {
	*testing.T
	engine  *tcp.Engine
	service *proxy.Service
	addr    string
	access  *lockedBuffer
	log     *lockedBuffer
	serving sync.WaitGroup
	end     func()
}

// setup starts an engine in front of endpoints at addrs. Whatever tune changes
// in the service counts.
func setup(t *testing.T, tune func(*proxy.Service), addrs ...string) *bench {
	t.Helper()
	b := &bench{T: t, access: new(lockedBuffer), log: new(lockedBuffer)}
	var endpoints []balance.Endpoint
	for _, a := range addrs {
		endpoints = append(endpoints, balance.Endpoint{Addr: a})
	}
	balancer, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: endpoints})
	must(t, err)
	b.service = &proxy.Service{Name: "test", Balancer: balancer, Stats: new(proxy.Stats), ConnectTimeout: 10 * time.Second}
	if tune != nil {
		tune(b.service)
	}
	access := proxy.NewAccessLog(b.access)
	b.engine = tcp.New(tcp.Options{
		Listener: "in", Access: access, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	b.engine.SetService(b.service)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b.addr = l.Addr().String()
	b.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.serving.Go(func() { b.engine.ServeConn(c) })
		}
	})
	b.end = sync.OnceFunc(func() {
		l.Close()
		b.engine.Abort()
		b.serving.Wait()
		access.Flush()
	})
	t.Cleanup(b.end)
	return b
}

// settled closes the listener, waits until every connection has ended by
// itself, and returns their records.
func (b *bench) settled() (records []map[string]any) {
	b.Helper()
	eventually(b.T, "connections to end", func() bool { return b.engine.Active() == 0 })
	b.end()
	for line := range strings.Lines(b.access.String()) {
		var r map[string]any
		must(b.T, json.Unmarshal([]byte(line), &r))
		records = append(records, r)
	}
	return records
}

func (b *bench) wantCause(cause string) {
	b.Helper()
	r := b.settled()
	if len(r) != 1 || r[0]["cause"] != cause {
		b.Fatalf("records %v, want one with cause %q", r, cause)
	}
}

func (b *bench) dial() *net.TCPConn {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	must(b.T, err)
	b.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// load is what the endpoints' counters say, all together.
func (b *bench) load() (started, failed uint64, active int64) {
	for _, c := range b.service.Balancer.Snapshot().Candidates {
		started += c.Load.Started()
		failed += c.Load.Failed()
		active += c.Load.Active()
	}
	return started, failed, active
}

// endpoint starts one that serves each connection with f.
func endpoint(t *testing.T, f func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f(c.(*net.TCPConn))
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// nobody is an address that refuses connections.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l.Close()
	return l.Addr().String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantRefusal is for clients that are turned away, perhaps before they know
// that they are connected.
func (b *bench) wantRefusal() {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	must(b.T, err)
	defer c.Close()
	wantReset(b.T, c)
}

func wantReset(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read ended with %v, want a reset", err)
	}
}

func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func TestSmallMessagesAreEchoed(t *testing.T) {
	b := setup(t, nil, endpoint(t, echo))
	c := b.dial()
	for i := range 100 {
		sent := fmt.Appendf(nil, "message %d", i)
		c.Write(sent)
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != string(sent) {
			t.Fatalf("%q came back as %q, %v", sent, got, err)
		}
	}
	c.CloseWrite()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Fatalf("at the end: %q, %v", rest, err)
	}
	r := b.settled()
	if len(r) != 1 {
		t.Fatalf("%d records", len(r))
	}
	for key, want := range map[string]any{
		"listener": "in", "service": "test", "protocol": "TCP", "cause": "", "attempts": 1.0,
		"bytes_in": 1090.0 - 100, "bytes_out": 990.0, "client": c.LocalAddr().String(),
	} {
		if r[0][key] != want {
			t.Errorf("record has %s %v, want %v", key, r[0][key], want)
		}
	}
	if r[0]["first_byte"].(float64) <= 0 || r[0]["total"].(float64) < r[0]["first_byte"].(float64) {
		t.Errorf("times in record: %v", r[0])
	}
	if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
	bytes := &b.service.Stats.TCPBytes
	if n := bytes[proxy.FromClient][proxy.Copied].Load(); n != 990 {
		t.Errorf("counted %d bytes copied from the client", n)
	}
	if n := bytes[proxy.ToClient][proxy.Copied].Load(); n != 990 {
		t.Errorf("counted %d bytes copied to the client", n)
	}
	if n := b.engine.Counters().Copied[tcp.Small].Load(); n != 1980 {
		t.Errorf("counted %d bytes copied for being small", n)
	}
}

const bulk = 64 << 20

// flood writes n bytes of noise and returns their sum.
func flood(c net.Conn, n int64, seed byte) (sum [32]byte) {
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{seed})
	io.Copy(io.MultiWriter(c, h), io.LimitReader(src, n))
	h.Sum(sum[:0])
	return sum
}

func sumOf(c net.Conn) (sum [32]byte, n int64) {
	h := sha256.New()
	n, _ = io.Copy(h, c)
	h.Sum(sum[:0])
	return sum, n
}

func TestBulkArrivesWholeAndIsSpliced(t *testing.T) {
	type sums struct {
		sent, got [32]byte
		n         int64
	}
	both := func(c *net.TCPConn, seed byte) (s sums) {
		var wg sync.WaitGroup
		wg.Go(func() {
			s.sent = flood(c, bulk, seed)
			c.CloseWrite()
		})
		s.got, s.n = sumOf(c)
		wg.Wait()
		return s
	}
	far := make(chan sums, 1)
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) { far <- both(c, 2) }))
	near := both(b.dial(), 1)
	there := <-far
	if near.n != bulk || there.n != bulk || near.sent != there.got || there.sent != near.got {
		t.Fatalf("%d bytes came to the client, %d to the endpoint, or they differ", near.n, there.n)
	}
	b.wantCause("")
	for d, name := range proxy.Directions {
		spliced := b.service.Stats.TCPBytes[d][proxy.Spliced].Load()
		copied := b.service.Stats.TCPBytes[d][proxy.Copied].Load()
		if spliced+copied != bulk {
			t.Errorf("%s: %d spliced + %d copied, want %d", name, spliced, copied, bulk)
		}
		if runtime.GOOS == "linux" && spliced < bulk*9/10 {
			t.Errorf("%s: only %d of %d bytes spliced", name, spliced, bulk)
		}
	}
}

func TestHalfCloseReachesEndpointAndAnswerReachesClient(t *testing.T) {
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c) // needs the client's end
		fmt.Fprintf(c, "got %d", len(all))
	}))
	c := b.dial()
	io.WriteString(c, "question")
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "got 8" || err != nil {
		t.Fatalf("answer %q, %v", got, err)
	}
	b.wantCause("")
}

func TestEndpointsHalfCloseReachesClientWhichGoesOn(t *testing.T) {
	got := make(chan string, 1)
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) {
		io.WriteString(c, "bye")
		c.CloseWrite()
		all, _ := io.ReadAll(c)
		got <- string(all)
	}))
	c := b.dial()
	if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
		t.Fatalf("%q, %v", bye, err)
	}
	io.WriteString(c, "one more thing")
	c.CloseWrite()
	if all := <-got; all != "one more thing" {
		t.Fatalf("endpoint got %q", all)
	}
	b.wantCause("")
}

func TestClientsResetReachesEndpointAndIsNobodysFault(t *testing.T) {
	ended := make(chan error, 1)
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) {
		c.Write([]byte("hello"))
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}))
	c := b.dial()
	io.ReadFull(c, make([]byte, 5))
	abort(c)
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("endpoint's read ended with %v, want a reset", err)
	}
	b.wantCause("client_gone")
	if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
}

func TestEndpointsResetReachesClientAndIsItsFault(t *testing.T) {
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 5))
		abort(c)
	}))
	c := b.dial()
	io.WriteString(c, "hello")
	wantReset(t, c)
	b.wantCause("connection_terminated")
	if started, failed, active := b.load(); started != 1 || failed != 1 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
}

// Here it may be a write that the kernel tells of the reset, and the read sees
// what looks like an end: in the engine, and in this client, which therefore
// asks both. Whoever wins, the client must not take it for an end.
func TestResetDuringUploadIsNeverAnEnd(t *testing.T) {
	for range 20 {
		b := setup(t, nil, endpoint(t, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 300_000))
			abort(c)
		}))
		c := b.dial()
		var up sync.WaitGroup
		var wrote error
		up.Go(func() { _, wrote = io.Copy(c, io.LimitReader(rand.NewChaCha8([32]byte{}), bulk)) })
		_, read := io.Copy(io.Discard, c)
		up.Wait()
		if !errors.Is(read, syscall.ECONNRESET) && !errors.Is(wrote, syscall.ECONNRESET) {
			t.Fatalf("read ended with %v, write with %v, want a reset", read, wrote)
		}
		c.Close()
		b.wantCause("connection_terminated")
	}
}

// An endpoint that has said all it wanted and closed is well, even if the
// client still talks.
func TestTalkingAfterTheEndpointsEndIsNoFailure(t *testing.T) {
	b := setup(t, nil, endpoint(t, func(c *net.TCPConn) { io.WriteString(c, "bye") }))
	c := b.dial()
	if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
		t.Fatalf("%q, %v", bye, err)
	}
	eventually(t, "the endpoint's refusal to end the connection", func() bool {
		c.Write([]byte("quit"))
		return b.engine.Active() == 0
	})
	b.wantCause("")
	if _, failed, _ := b.load(); failed != 0 {
		t.Error("counted as a failure")
	}
}

func TestRefusingEndpointIsPassedOver(t *testing.T) {
	b := setup(t, nil, nobody(t), nobody(t), endpoint(t, echo))
	for range 6 {
		c := b.dial()
		c.Write([]byte("x"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		io.ReadAll(c)
	}
	r := b.settled()
	for _, r := range r {
		if r["cause"] != "" || r["attempts"].(float64) > 3 {
			t.Errorf("record %v", r)
		}
	}
	started, failed, active := b.load()
	if started != 6+failed || failed == 0 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
	if n := b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load(); n != failed {
		t.Errorf("%d connect failures counted, want %d", n, failed)
	}
	if log := b.log.String(); !strings.Contains(log, "connection_refused") || !strings.Contains(log, "endpoint=127.0.0.1:") {
		t.Errorf("log does not explain: %s", log)
	}
}

func TestClientIsResetWhenAllRefuse(t *testing.T) {
	b := setup(t, nil, nobody(t), nobody(t))
	b.wantRefusal()
	b.wantCause("connection_refused")
	if n := b.engine.Counters().Refused.Load(); n != 1 {
		t.Errorf("%d refused", n)
	}
	if started, failed, active := b.load(); started != 2 || failed != 2 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
}

func TestClientIsResetWhenThereIsNobody(t *testing.T) {
	t.Run("no endpoint", func(t *testing.T) {
		b := setup(t, nil)
		b.wantRefusal()
		b.wantCause("destination_unavailable")
	})
	t.Run("all full", func(t *testing.T) {
		b := setup(t, nil, endpoint(t, echo))
		must(t, b.service.Balancer.SetEndpoints([]balance.Endpoint{{Addr: endpoint(t, echo), Max: 1}}))
		c := b.dial()
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		b.wantRefusal()
		c.Close()
		refused := func(r map[string]any) bool { return r["cause"] == "connection_limit_reached" }
		if r := b.settled(); !slices.ContainsFunc(r, refused) {
			t.Errorf("records %v", r)
		}
	})
	t.Run("no service", func(t *testing.T) {
		b := setup(t, nil)
		b.engine.SetService(nil)
		b.wantRefusal()
		b.wantCause("destination_unavailable")
	})
}

func TestSilenceEndsConnection(t *testing.T) {
	b := setup(t, func(s *proxy.Service) { s.Timeout = 50 * time.Millisecond }, endpoint(t, func(c *net.TCPConn) {
		io.Copy(io.Discard, c)
	}))
	start := time.Now()
	if _, err := b.dial().Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read ended with %v, want the end", err)
	}
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Fatalf("closed after %v", d)
	}
	b.wantCause("connection_read_timeout")
	if n := b.engine.Counters().IdleTimeouts.Load(); n != 1 {
		t.Errorf("%d idle timeouts", n)
	}
}

// One direction that moves is enough, for several times the timeout.
func TestOneBusyDirectionKeepsTheConnection(t *testing.T) {
	const timeout = 400 * time.Millisecond
	b := setup(t, func(s *proxy.Service) { s.Timeout = timeout }, endpoint(t, func(c *net.TCPConn) {
		for range 15 {
			time.Sleep(timeout / 8)
			c.Write([]byte("."))
		}
	}))
	c := b.dial()
	if got, err := io.ReadAll(c); len(got) != 15 || err != nil {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	c.Close()
	b.wantCause("")
}

// full is an endpoint that lets nobody connect: its queue is full.
func full(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("cannot fill a listener's queue here")
	return ""
}

func TestClientGoneWhileConnectingIsNobodysFault(t *testing.T) {
	b := setup(t, func(s *proxy.Service) { s.ConnectTimeout = time.Hour }, full(t))
	c := b.dial()
	eventually(t, "a dial", func() bool { _, _, active := b.load(); return active == 1 })
	abort(c)
	b.wantCause("client_gone")
	if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
		t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
	}
}

func TestSlowEndpointIsPassedOver(t *testing.T) {
	b := setup(t, func(s *proxy.Service) { s.ConnectTimeout = 50 * time.Millisecond }, full(t), endpoint(t, echo))
	for range 2 {
		c := b.dial()
		c.Write([]byte("x"))
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if log := b.log.String(); !strings.Contains(log, "connection_timeout") {
		t.Errorf("log does not explain: %s", log)
	}
}

func TestAbortCutsEverybody(t *testing.T) {
	t.Run("relaying", func(t *testing.T) {
		b := setup(t, nil, endpoint(t, echo))
		c := b.dial()
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		b.engine.Drain() // cuts nobody
		c.Write([]byte("y"))
		io.ReadFull(c, make([]byte, 1))
		b.engine.Abort()
		wantReset(t, c)
		b.wantRefusal() // and nobody new
		b.wantCause("aborted")
	})
	t.Run("connecting", func(t *testing.T) {
		b := setup(t, func(s *proxy.Service) { s.ConnectTimeout = time.Hour }, full(t))
		c := b.dial()
		eventually(t, "a dial", func() bool { _, _, active := b.load(); return active == 1 })
		b.engine.Abort()
		wantReset(t, c)
		b.wantCause("aborted")
	})
	t.Run("bulk", func(t *testing.T) {
		b := setup(t, nil, endpoint(t, echo))
		c := b.dial()
		var up sync.WaitGroup
		up.Go(func() { io.Copy(c, rand.NewChaCha8([32]byte{})) })
		io.CopyN(io.Discard, c, 4<<20)
		b.engine.Abort()
		wantReset(t, c)
		up.Wait()
		b.wantCause("aborted")
	})
}

func TestManyAtOnce(t *testing.T) {
	b := setup(t, nil, endpoint(t, echo), endpoint(t, echo))
	var clients sync.WaitGroup
	for i := range 200 {
		c := b.dial()
		clients.Go(func() {
			n := int64(1 + i*997%300_000)
			var up sync.WaitGroup
			var sent [32]byte
			up.Go(func() {
				sent = flood(c, n, byte(i))
				c.CloseWrite()
			})
			got, m := sumOf(c)
			up.Wait()
			if m != n || got != sent {
				t.Errorf("%d bytes came back of %d, or they differ", m, n)
			}
			c.Close()
		})
	}
	clients.Wait()
	for _, r := range b.settled() {
		if r["cause"] != "" {
			t.Errorf("record %v", r)
		}
	}
	for _, c := range b.service.Balancer.Snapshot().Candidates {
		if c.Load.Started() != 100 {
			t.Errorf("endpoint %s got %d of 200", c.ID, c.Load.Started())
		}
	}
}

func TestUnixEndpointAndItsEnd(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(c, "bye")
		c.Close() // an end, although a closed unix socket hangs up
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	b := setup(t, nil, "unix:"+l.Addr().String())
	c := b.dial()
	if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
		t.Fatalf("%q, %v", bye, err)
	}
	c.Close()
	b.wantCause("")
}

// A connection that is no socket, as one behind TLS, works and is copied.
func TestConnectionThatIsNoSocketIsCopied(t *testing.T) {
	b := setup(t, nil, endpoint(t, echo))
	near, far := net.Pipe()
	b.serving.Go(func() { b.engine.ServeConn(far) })
	p := make([]byte, 1<<20)
	var up sync.WaitGroup
	up.Go(func() { near.Write(p) })
	if _, err := io.ReadFull(near, p); err != nil {
		t.Fatal(err)
	}
	up.Wait()
	near.Close()
	b.settled()
	if n := b.service.Stats.TCPBytes[proxy.FromClient][proxy.Copied].Load(); n != 1<<20 {
		t.Errorf("%d bytes copied", n)
	}
	if b.engine.Counters().Copied[tcp.NoSocket].Load() == 0 && runtime.GOOS == "linux" {
		t.Error("no reason counted")
	}
}

func TestAffinityKeepsClientOnOneEndpoint(t *testing.T) {
	b := setup(t, func(s *proxy.Service) { s.Affinity = affinity.Rule{Kind: affinity.ClientIP} })
	must(t, b.service.Balancer.SetOptions(lb.Options{Policy: balance.Maglev(0), Endpoints: []balance.Endpoint{
		{Addr: endpoint(t, echo)}, {Addr: endpoint(t, echo)}, {Addr: endpoint(t, echo)},
	}}))
	for range 20 {
		c := b.dial()
		c.CloseWrite()
		io.ReadAll(c)
	}
	seen := map[any]bool{}
	for _, r := range b.settled() {
		seen[r["endpoint"]] = true
	}
	if len(seen) != 1 {
		t.Errorf("one client met %v", seen)
	}
	if n := b.service.Stats.AffinityHit.Load(); n != 20 {
		t.Errorf("%d keyed picks counted", n)
	}
}

func TestConnectionKeepsTheServiceItBeganWith(t *testing.T) {
	b := setup(t, nil, endpoint(t, echo))
	c := b.dial()
	c.Write([]byte("x"))
	io.ReadFull(c, make([]byte, 1))
	other, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{Addr: endpoint(t, func(c *net.TCPConn) {
		io.WriteString(c, "new")
	})}}})
	must(t, err)
	b.engine.SetService(&proxy.Service{Name: "other", Balancer: other, Stats: new(proxy.Stats)})
	if got, _ := io.ReadAll(b.dial()); string(got) != "new" {
		t.Errorf("a new connection got %q", got)
	}
	c.Write([]byte("y"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
