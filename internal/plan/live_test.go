package plan_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/plan"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A live is a proxy that runs.
type live struct {
	*app.App
	next *config.Config // what a reload reads
}

func run(t *testing.T, cfg *config.Config) *live {
	t.Helper()
	p := new(live)
	var err error
	p.App, err = app.New(cfg, app.Options{
		Load: func() (*config.Config, error) { return p.next, nil },
		Log:  testkit.Logger(new(testkit.Buffer)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

// named runs an endpoint that answers with its address.
func named(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, addr) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return addr
}

// served asks the proxy for the endpoint of each key, over a few connections with
// many requests under way on each.
func served(t *testing.T, addr string, keys []string) []string {
	t.Helper()
	const connections = 4
	by := make([]string, len(keys))
	var wg sync.WaitGroup
	for n := range connections {
		from, to := n*len(keys)/connections, (n+1)*len(keys)/connections
		wg.Go(func() {
			if err := ask(addr, keys[from:to], by[from:to]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return by
}

func ask(addr string, keys, by []string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const batch = 50
	answers := bufio.NewReader(c)
	for len(keys) > 0 {
		n := min(batch, len(keys))
		var out bytes.Buffer
		for _, key := range keys[:n] {
			fmt.Fprintf(&out, "GET / HTTP/1.1\r\nHost: a\r\nX-User: %s\r\n\r\n", key)
		}
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		for i := range n {
			r, err := http.ReadResponse(answers, nil)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != 200 {
				return fmt.Errorf("status %d, %v", r.StatusCode, err)
			}
			by[i] = string(body)
		}
		keys, by = keys[n:], by[n:]
	}
	return nil
}

// What the plan says of 20,000 keys, a proxy then does: to the key.
func TestALiveReloadMovesTheKeysOfThePlan(t *testing.T) {
	const n = 20_000
	var endpoints []string
	for range 8 {
		endpoints = append(endpoints, named(t))
	}
	file := func(policy string, seed int, endpoints ...string) *config.Config {
		return byHeader.with(func(f *file) {
			f.top = fmt.Sprintf("[proxy]\nhash_seed = %d", seed)
			f.listener = `listen = "127.0.0.1:0"`
			f.service += "\nlocality_lb_policy = \"" + policy + `"`
			f.endpoints = quoted(endpoints)
		}).load(t)
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("user-%d", i)
	}
	files := []*config.Config{
		file("MAGLEV", 1, endpoints[:7]...),
		file("MAGLEV", 1, endpoints...), // one comes
		file("RING_HASH", 2, endpoints[1:]...),
		withCapacity(t, 1e6, endpoints[:3], endpoints[3:6], endpoints[6:]),
		withCapacity(t, 2e6, endpoints[:3], endpoints[3:5], endpoints[6:]),
	}
	p := run(t, files[0])
	addr := p.ListenAddr("in").String()
	before := served(t, addr, keys)
	for i, next := range files[1:] {
		if i == 1 { // 20,000 once; for the other kinds of changes fewer will do
			keys, before = keys[:n/4], before[:n/4]
		}
		traced, err := plan.Trace(files[i], next, "", strings.NewReader(strings.Join(keys, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		p.next = next
		if err := p.Reload(); err != nil {
			t.Fatal(err)
		}
		after := served(t, addr, keys)
		var moves []plan.Move
		for k := range keys {
			if before[k] != after[k] {
				moves = append(moves, plan.Move{Key: keys[k], From: before[k], To: after[k]})
			}
		}
		if traced.Keys != len(keys) || traced.Moved != len(moves) || fmt.Sprint(traced.Moves) != fmt.Sprint(moves) {
			t.Errorf("reload %d: the plan has %d of %d keys move, and %d did", i+1, traced.Moved, len(keys), len(moves))
		}
		moved := compare(t, files[i], next).Services[0].Moved
		t.Logf("reload %d: %d of %d keys moved, as planned; of all keys %.4f", i+1, len(moves), len(keys), moved)
		before = after
	}
}

// withCapacity is a file with two groups in one region, and one far away that gets
// nothing. rate is how much the first can take: the second takes a million.
func withCapacity(t *testing.T, rate float64, near ...[]string) *config.Config {
	t.Helper()
	var b strings.Builder
	b.WriteString("[proxy]\nregion = \"eu\"\n[[listener]]\nname = \"in\"\nlisten = \"127.0.0.1:0\"\nservice = \"web\"\n")
	for i, region := range []string{"eu", "eu", "us"} {
		fmt.Fprintf(&b, "[[group]]\nname = \"g%d\"\nregion = %q\nendpoints = [%s]\n", i, region, quoted(near[i]))
	}
	b.WriteString("[[service]]\nname = \"web\"\nsession_affinity = \"HEADER_FIELD\"\n[service.consistent_hash]\nhttp_header_name = \"X-User\"\n")
	for i, rate := range []float64{rate, 1e6, 1e6} {
		fmt.Fprintf(&b, "[[service.backend]]\ngroup = \"g%d\"\nbalancing_mode = \"RATE\"\nmax_rate = %.0f\n", i, rate)
	}
	return parse(t, b.String())
}

func quoted(addrs []string) string { return `"` + strings.Join(addrs, `", "`) + `"` }

// Listeners, too, do what the plan says, or the reload refuses.
func TestALiveReloadDoesToListenersWhatThePlanSays(t *testing.T) {
	at := func(addr string) *config.Config {
		return file{listener: fmt.Sprintf("listen = %q", addr)}.load(t)
	}
	here := testkit.FreeAddr(t)
	host, port, _ := net.SplitHostPort(here)
	_, another, _ := net.SplitHostPort(testkit.FreeAddr(t))
	for name, c := range map[string]struct {
		to      string
		refused bool
	}{
		"another port": {net.JoinHostPort(host, another), false}, "all addresses, same port": {":" + port, true},
		"IPv4, same port": {"0.0.0.0:" + port, true}, "another address, same port": {"127.0.0.2:" + port, false},
	} {
		t.Run(name, func(t *testing.T) {
			prev, next := at(here), at(c.to)
			p := run(t, prev)
			p.next = next
			planned := compare(t, prev, next)
			if got := len(planned.Restart) > 0; got != c.refused {
				t.Errorf("the plan says: %q", planned.Restart)
			}
			if err := p.Reload(); (err != nil) != c.refused {
				t.Errorf("the reload says: %v", err)
			}
			want := here
			if !c.refused {
				want = c.to
			}
			if got := p.ListenAddr("in").String(); got != want {
				t.Errorf("the listener is at %s, want %s", got, want)
			}
		})
	}
}
