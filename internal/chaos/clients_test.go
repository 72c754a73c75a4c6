//go:build linux

package chaos_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"time"
)

// A judge gathers what clients saw, and what of it nothing excuses.
type judge struct {
	chronicle *chronicle

	mu         sync.Mutex
	counts     map[string]int
	worst      time.Duration // from a fault to the last failure that it excuses
	violations []string
}

func (j *judge) count(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counts == nil {
		j.counts = map[string]int{}
	}
	j.counts[what]++
}

func (j *judge) violation(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.violations = append(j.violations, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// failed judges a GET that came to nothing.
func (j *judge) failed(kind string, start time.Time, err error) {
	since, ok := j.chronicle.sinceFault(start, time.Now())
	if !ok {
		j.violation("%s failed after %v, and nothing excuses it: %v", kind, time.Since(start).Round(time.Millisecond), err)
		return
	}
	j.count(kind + ": failed within the detection time")
	j.mu.Lock()
	defer j.mu.Unlock()
	j.worst = max(j.worst, since)
}

// ask sends a GET and returns the name of the endpoint that has answered.
func ask(client *http.Client, addr string) (host string, err error) {
	answer, err := client.Get("http://" + addr + "/")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s (%s)", answer.Status, answer.Header.Get("Proxy-Status"))
	}
	return string(body), err
}

func newClient(jar http.CookieJar) *http.Client {
	return &http.Client{Jar: jar, Timeout: 15 * time.Second, Transport: &http.Transport{}}
}

// getter asks again and again.
func (j *judge) getter(ctx context.Context, pace time.Duration) {
	client := newClient(nil)
	defer client.CloseIdleConnections()
	for every(ctx, pace) {
		start := time.Now()
		if _, err := ask(client, webAddr); err != nil {
			j.failed("GET", start, err)
			continue
		}
		j.count("GET: answered")
	}
}

// session is a client with a cookie: it stays where it is.
func (j *judge) session(ctx context.Context, pace time.Duration) {
	jar, _ := cookiejar.New(nil)
	client := newClient(jar)
	defer client.CloseIdleConnections()
	home, last := "", time.Now()
	for every(ctx, pace) {
		start := time.Now()
		host, err := ask(client, sessionAddr)
		if err != nil {
			j.failed("session", start, err)
			continue
		}
		j.count("session: answered")
		if home != "" && host != home {
			// Who was ejected, or found ill, for what befell it, may still be.
			why := j.chronicle.befell(home, last.Add(-15*time.Second), time.Now(), append([]string{removed}, faults...)...)
			if why == "" {
				j.violation("a session has moved from %s to %s, and nothing befell the first", home, host)
			}
			j.count("session: moved, since its endpoint was " + why)
		}
		home, last = host, time.Now()
	}
}

// stream is a TCP connection that stays, and is made again when it has ended.
func (j *judge) stream(ctx context.Context, pace time.Duration) {
	for ctx.Err() == nil {
		start := time.Now()
		host, err := j.oneStream(ctx, pace)
		switch {
		case ctx.Err() != nil:
			return
		case host == "":
			if _, ok := j.chronicle.sinceFault(start, time.Now()); !ok && !j.chronicle.upgradedSince(start) {
				j.violation("a stream had no greeting after %v: %v", time.Since(start), err)
			}
			j.count("stream: no greeting")
		default:
			j.streamEnded(host, err)
		}
		every(ctx, pace)
	}
}

func (j *judge) streamEnded(host string, err error) {
	now := time.Now()
	why := j.chronicle.befell(host, now.Add(-10*time.Second), now, killed, frozen, cut, removed, drained)
	switch {
	case why != "":
		j.count("stream: ended, since its endpoint was " + why)
	case j.chronicle.upgradedSince(now.Add(-drainTimeout - 3*time.Second)):
		j.count("stream: ended with the proxy that an upgrade has replaced")
	default:
		j.violation("a stream to %s has ended, and nothing befell it: %v", host, err)
	}
}

// oneStream says something and hears it, until that fails. host is the endpoint's
// name, if it came.
func (j *judge) oneStream(ctx context.Context, pace time.Duration) (host string, err error) {
	c, err := net.DialTimeout("tcp", streamAddr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	greeting, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	host = greeting[:len(greeting)-1]
	for i := 0; every(ctx, pace); i++ {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // who is frozen may wake
		said := fmt.Sprintln(i)
		if _, err := io.WriteString(c, said); err != nil {
			return host, err
		}
		heard, err := in.ReadString('\n')
		if err != nil {
			return host, err
		}
		if heard != said {
			j.violation("a stream to %s said %q and heard %q", host, said, heard)
			return host, nil
		}
		j.count("stream: echoes")
	}
	return host, ctx.Err()
}

// every waits; it reports false when ctx has ended.
func every(ctx context.Context, pace time.Duration) bool {
	select {
	case <-time.After(pace):
		return true
	case <-ctx.Done():
		return false
	}
}
