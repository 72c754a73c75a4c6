package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

// A proxy is the whole of Spillway, run from a file.
type proxy struct {
	*app.App
	file  string
	log   panicWatch
	admin http.Client
	done  chan error
	stop  context.CancelFunc
}

func startProxy(t *testing.T, file string) *proxy {
	t.Helper()
	p := &proxy{file: filepath.Join(t.TempDir(), "spillway.toml"), done: make(chan error, 1)}
	p.admin = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	if err := p.write(file); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(p.file) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if p.App, err = app.New(cfg, app.Options{Load: load, LogTo: &p.log}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.done <- p.Run(ctx) }()
	return p
}

func (p *proxy) write(file string) error { return os.WriteFile(p.file, []byte(file), 0o600) }

// ask talks to the admin API.
func (p *proxy) ask(method, path, body string) ([]byte, error) {
	req, err := http.NewRequest(method, "http://"+p.ListenAddr("admin").String()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.admin.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	return answer, err
}

// say gives the operator's word on an endpoint.
func (p *proxy) say(service, id, word string) error {
	_, err := p.ask("POST", "/api/v1/services/"+service+"/endpoints/"+id, `{"admin":"`+word+`"}`)
	return err
}

// active returns the leases of each endpoint, by service and ID.
func (p *proxy) active() (map[string]int, error) {
	body, err := p.ask("GET", "/api/v1/services", "")
	if err != nil {
		return nil, err
	}
	var status struct {
		Services []struct {
			Name   string
			Groups []struct {
				Endpoints []struct {
					ID     string
					Active int
				}
			}
		}
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return nil, err
	}
	active := map[string]int{}
	for _, s := range status.Services {
		for _, g := range s.Groups {
			for _, e := range g.Endpoints {
				active[s.Name+" "+e.ID] = e.Active
			}
		}
	}
	return active, nil
}

// awaitNoLease waits until nobody has a lease any more.
func (p *proxy) awaitNoLease() error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		active, err := p.active()
		if err != nil {
			return err
		}
		total := 0
		for _, n := range active {
			total += n
		}
		if total == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("leases are left: %v", active)
		}
	}
}

// enginesOf returns the engines that a file may name.
func enginesOf() []string {
	var accepted []string
	for _, engine := range []string{"stream", "loop"} {
		file := "[proxy]\nengine = \"" + engine + "\"\n[[listener]]\nlisten = \":1\"\nservice = \"a\"\n[[service]]\nname = \"a\"\nendpoints = [\"a:1\"]\n"
		if _, err := config.Parse("engines", []byte(file)); err == nil {
			accepted = append(accepted, engine)
		}
	}
	return accepted
}
