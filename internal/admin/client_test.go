package admin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

func client(t *testing.T, addr, token string) *admin.Client {
	c := admin.NewClient(addr, token)
	t.Cleanup(c.Close)
	return c
}

func TestTheClientReadsWhatTheServerWrites(t *testing.T) {
	ctx := context.Background()
	s := serve(t, admin.Options{Token: "secret", Reload: func() error { return nil }})
	c := client(t, s.addr, "secret")
	all, err := c.Services(ctx)
	if err != nil || len(all) != 1 || all[0].Name != "web" || len(all[0].Groups[0].Endpoints) != 2 {
		t.Errorf("Services: %v, %v", all, err)
	}
	one, err := c.Service(ctx, "web")
	if err != nil || one.Policy != "MAGLEV" {
		t.Errorf("Service: %v, %v", one, err)
	}
	for _, id := range []string{"big", "unix:/run/a.sock"} {
		e, err := c.SetAdmin(ctx, "web", id, "DRAIN")
		if err != nil || e.ID != id || e.Admin != "DRAIN" {
			t.Errorf("SetAdmin(%s): %v, %v", id, e, err)
		}
	}
	if got := s.web.Status().Groups[0].Endpoints[1].Admin; got != lb.Drain {
		t.Errorf("the endpoint is %v", got)
	}
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Reload(ctx); err != nil {
		t.Error(err)
	}
}

func TestARefusalIsAProblem(t *testing.T) {
	ctx := context.Background()
	s := serve(t, admin.Options{Token: "secret", Reload: func() error { return errors.New("line 3 is wrong") }})
	c := client(t, s.addr, "secret")
	for _, want := range []struct {
		err    error
		status int
		says   string
	}{
		{ignore(c.Service(ctx, "a/b?c")), 404, "a/b?c"},
		{ignore(c.SetAdmin(ctx, "web", "nope", "DRAIN")), 404, "nope"},
		{ignore(c.SetAdmin(ctx, "web", "big", "OFF")), 400, "OFF"},
		{c.Reload(ctx), 422, "line 3 is wrong"},
		{ignore(client(t, s.addr, "wrong").Services(ctx)), 401, "token"},
	} {
		var p *admin.Problem
		if !errors.As(want.err, &p) || p.Status != want.status || !strings.Contains(p.Error(), want.says) {
			t.Errorf("got %v, want a %d that says %q", want.err, want.status, want.says)
		}
		if errors.Is(want.err, admin.ErrUnreachable) {
			t.Errorf("%v counts as unreachable", want.err)
		}
	}
}

func ignore[T any](_ T, err error) error { return err }

func TestTheClientTalksToAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, admin.Options{}, l)
	if _, err := client(t, "unix:"+path, "").SetAdmin(t.Context(), "web", "big", "DOWN"); err != nil {
		t.Error(err)
	}
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	s := serve(t, admin.Options{})
	s.stop()
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangsUp.Close()
	go func() {
		for {
			conn, err := hangsUp.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for _, addr := range []string{s.addr, "unix:" + filepath.Join(t.TempDir(), "none"), hangsUp.Addr().String()} {
		_, err := client(t, addr, "").Services(t.Context())
		if !errors.Is(err, admin.ErrUnreachable) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestAnotherServerIsNotTakenForOurs(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/api/v1/services":
			io.WriteString(w, "<html>")
		default:
			http.NotFound(w, r)
		}
	}))
	defer other.Close()
	c := client(t, strings.TrimPrefix(other.URL, "http://"), "")
	for _, err := range []error{c.Ready(t.Context()), ignore(c.Services(t.Context())), c.Reload(t.Context())} {
		if err == nil || errors.Is(err, admin.ErrUnreachable) || !strings.Contains(err.Error(), "does not answer like") {
			t.Errorf("got %v", err)
		}
	}
}

func TestACancelledCallReturns(t *testing.T) {
	block := make(chan bool)
	s := serve(t, admin.Options{Ready: func() (bool, string) { <-block; return true, "" }})
	defer close(block)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client(t, s.addr, "").Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
