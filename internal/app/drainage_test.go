package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A site is an HTTP endpoint: / says its name, /soon and /wait when they are let go,
// /half half of it before that, and /chat becomes an echo.
type site struct {
	name, addr    string
	waiting       chan bool // somebody is in /soon, /wait or /half
	soon, release chan bool // closed: they may go
	open          atomic.Int64
}

func newSite(t *testing.T, name string) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{name: name, addr: l.Addr().String(), waiting: make(chan bool, 10), soon: make(chan bool), release: make(chan bool)}
	server := &http.Server{Handler: s, ConnState: func(_ net.Conn, to http.ConnState) {
		switch to {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/half":
		w.Header().Set("Content-Length", fmt.Sprint(2*len(s.name)))
		io.WriteString(w, s.name)
		w.(http.Flusher).Flush()
		fallthrough
	case "/soon", "/wait":
		release := s.release
		if r.URL.Path == "/soon" {
			release = s.soon
		}
		s.waiting <- true
		select {
		case <-release:
		case <-r.Context().Done():
		}
	case "/chat":
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"+s.name)
		io.Copy(c, rw)
		return
	}
	io.WriteString(w, s.name)
}

// A browser is a client that keeps its connection.
type browser struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (p *proxy) browse() *browser {
	p.t.Helper()
	c, err := net.Dial("tcp", p.ListenAddr("http").String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &browser{p.t, c, bufio.NewReader(c)}
}

func (b *browser) send(path, fields string) *browser {
	b.t.Helper()
	if _, err := io.WriteString(b, "GET "+path+" HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// answer reads a response, whose body may be cut.
func (b *browser) answer() (status int, body string, err error) {
	b.t.Helper()
	r, err := http.ReadResponse(b.r, nil)
	if err != nil {
		return 0, "", err
	}
	if r.Close {
		b.t.Error("the response has Connection: close, and the proxy does not shut down")
	}
	if r.StatusCode == 101 {
		return 101, "", nil
	}
	whole, err := io.ReadAll(r.Body)
	return r.StatusCode, string(whole), err
}

// waitAt asks for a path until the site of this name has the request.
func (p *proxy) waitAt(s, other *site, path string) *browser {
	p.t.Helper()
	for {
		b := p.browse().send(path, "")
		select {
		case <-s.waiting:
			return b
		case <-other.waiting: // round robin: the next one is ours
		}
	}
}

// chatAt opens a tunnel to the endpoint of this name.
func (p *proxy) chatAt(name string) *browser {
	p.t.Helper()
	for {
		b := p.browse().send("/chat", "Connection: Upgrade\r\nUpgrade: echo\r\n")
		if status, _, err := b.answer(); status != 101 || err != nil {
			p.t.Fatalf("status %d, %v", status, err)
		}
		who := make([]byte, 1)
		if _, err := io.ReadFull(b.r, who); err != nil {
			p.t.Fatal(err)
		}
		if string(who) == name {
			return b
		}
		b.Close()
	}
}

func (b *browser) wantEcho() {
	b.t.Helper()
	io.WriteString(b, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(b.r, got); err != nil || string(got) != "hello" {
		b.t.Errorf("the tunnel says %q, %v", got, err)
	}
}

// A drainage is a proxy before two endpoints of each kind, a and b. b stays.
type drainage struct {
	*proxy
	engine  string
	dir     string
	a, b    *site
	ta, tb  *host
	ua, ub  string
	members map[string]bool // of the files that list endpoints
	limit   string          // draining_timeout
}

var kinds = []string{"http", "tcp", "udp"}

func newDrainage(t *testing.T, engine string) *drainage {
	d := &drainage{
		engine: engine, dir: t.TempDir(), limit: "1h", members: map[string]bool{"a": true, "b": true},
		a: newSite(t, "a"), b: newSite(t, "b"), ta: newHost(t, "a"), tb: newHost(t, "b"), ua: talker(t, "a"), ub: talker(t, "b"),
	}
	d.list()
	d.proxy = run(t, d.text(nil))
	return d
}

// text is the file. Endpoints are in files of their own, but for those of with.
func (d *drainage) text(without []string) string {
	text := "[admin]\nlisten = '127.0.0.1:0'\n[proxy]\ndrain_timeout = '0s'\nengine = '" + d.engine + "'\n"
	for _, kind := range kinds {
		from := fmt.Sprintf("file = '%s'", filepath.Join(d.dir, kind+".json"))
		if without != nil {
			from = "endpoints = [" + d.entry(kind, "b") + "]"
		}
		text += fmt.Sprintf("[[group]]\nname = '%s'\n%s\n"+
			"[[service]]\nname = '%[1]s'\nprotocol = '%[3]s'\nconnection_draining = { draining_timeout = '%[4]s' }\nbackend = [{ group = '%[1]s' }]\n"+
			"[[listener]]\nname = '%[1]s'\nlisten = '127.0.0.1:0'\nprotocol = '%[3]s'\nservice = '%[1]s'\n", kind, from, strings.ToUpper(kind), d.limit)
	}
	return text
}

func (d *drainage) addr(kind, name string) string {
	return map[string]string{"http/a": d.a.addr, "http/b": d.b.addr, "tcp/a": d.ta.addr, "tcp/b": d.tb.addr, "udp/a": d.ua, "udp/b": d.ub}[kind+"/"+name]
}

func (d *drainage) entry(kind, name string) string {
	return fmt.Sprintf("{ id = %q, address = %q }", name, d.addr(kind, name))
}

// list writes the files that list endpoints.
func (d *drainage) list() {
	for _, kind := range kinds {
		var all []map[string]string
		for _, name := range []string{"a", "b"} {
			if d.members[name] {
				all = append(all, map[string]string{"id": name, "address": d.addr(kind, name)})
			}
		}
		text, _ := json.Marshal(all)
		path := filepath.Join(d.dir, kind+".json")
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			panic(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			panic(err)
		}
	}
}

// status is a service as the admin API shows it.
func (d *drainage) status(kind string) (v admin.ServiceStatus) {
	d.t.Helper()
	_, body := d.get("admin", "/api/v1/services/"+kind)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		d.t.Fatalf("%v in %s", err, body)
	}
	return v
}

// left is what the admin API says is left on a.
func (d *drainage) left(kind string) (left admin.ConnectionsStatus, removed, ok bool) {
	v := d.status(kind)
	for _, r := range v.Removed {
		return admin.ConnectionsStatus{Active: r.Active, Oldest: r.Oldest, Bytes: r.Bytes, Until: r.Until}, true, r.ID == "a"
	}
	for _, e := range v.Groups[0].Endpoints {
		if e.ID == "a" && e.Connections != nil {
			return *e.Connections, false, true
		}
	}
	return left, false, false
}

// gone waits until the balancers give a nothing new.
func (d *drainage) gone() {
	d.t.Helper()
	for _, kind := range kinds {
		testkit.Eventually(d.t, func() bool { return !d.Balancer(kind).Snapshot().Takes("a") })
	}
}
