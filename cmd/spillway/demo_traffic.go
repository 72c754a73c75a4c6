package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	userHeader = "X-User"
	workers    = 4  // that send requests as fast as they are answered
	trickle    = 20 // requests a second while nothing is shown
	answerTime = 5 * time.Second
)

// demoTraffic is the demo's clients, one for each of its listeners. They are of
// the standard library: what they show, any client would see.
type demoTraffic struct {
	httpAddr, tcpAddr string
	http              http.Client
}

func newDemoTraffic(httpAddr, tcpAddr string) *demoTraffic {
	return &demoTraffic{httpAddr: httpAddr, tcpAddr: tcpAddr, http: http.Client{
		Timeout:   answerTime,
		Transport: &http.Transport{MaxIdleConnsPerHost: workers}, // and no proxy from the environment
	}}
}

func (t *demoTraffic) close() { t.http.CloseIdleConnections() }

// get sends one request and returns the name of the endpoint that answered.
func (t *demoTraffic) get(ctx context.Context, path, user string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.httpAddr+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set(userHeader, user)
	answer, err := t.http.Do(r)
	if err != nil {
		return "", err
	}
	return nameIn(answer)
}

// connect opens one TCP connection and returns the name of the endpoint at its
// other end.
func (t *demoTraffic) connect(ctx context.Context) (string, error) {
	d := net.Dialer{Timeout: answerTime}
	conn, err := d.DialContext(ctx, "tcp", t.tcpAddr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return "", err
	}
	// To the proxy these are bytes; the endpoint speaks HTTP.
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	return nameIn(answer)
}

func nameIn(answer *http.Response) (string, error) {
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s", answer.Status)
	}
	return strings.TrimSpace(string(body)), nil
}

// A tally counts answers by the endpoint that gave them.
type tally struct {
	mu      sync.Mutex
	answers map[string]int
	total   int
	failed  int
	last    error // of the failed
}

func (t *tally) add(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	if err != nil {
		t.failed++
		t.last = err
		return
	}
	if t.answers == nil {
		t.answers = make(map[string]int)
	}
	t.answers[name]++
}

// share is the part of all requests that an endpoint answered.
func (t *tally) share(name string) float64 {
	if t.total == 0 {
		return 0
	}
	return float64(t.answers[name]) / float64(t.total)
}

// volley calls send n times, from a few workers at once, with 0 to n-1.
func volley(ctx context.Context, n int, send func(context.Context, int) (string, error)) (*tally, error) {
	var wg sync.WaitGroup
	var next atomic.Int64
	result := new(tally)
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				result.add(send(ctx, int(i)))
			}
		})
	}
	wg.Wait()
	return result, ctx.Err()
}

// pace sends a request at every interval, one after the other, until ctx ends.
func (t *demoTraffic) pace(ctx context.Context, interval time.Duration, result *tally) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		name, err := t.get(ctx, "/", fmt.Sprintf("user-%d", i))
		if ctx.Err() != nil {
			return // it is we who left
		}
		result.add(name, err)
	}
}
