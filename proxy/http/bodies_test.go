package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func bodiesAreStreamedNotCollected(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		rc := nethttp.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		line := bufio.NewReader(r.Body)
		for {
			s, err := line.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, "echo "+s)
			rc.Flush()
		}
	})
	c := d.start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	resp, err := nethttp.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	for i := range 3 {
		msg := fmt.Sprintf("event %d\n", i)
		c.send(fmt.Sprintf("%x\r\n%s\r\n", len(msg), msg))
		if got, err := body.ReadString('\n'); got != "echo "+msg {
			t.Fatalf("got %q %v before the next line was sent", got, err)
		}
	}
	c.send("0\r\n\r\n")
	if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
		t.Errorf("end: %q %v", rest, err)
	}
}

func earlyAnswerReachesAClientThatStillSends(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
	b := d.start(t, []string{e.addr})
	c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
	go io.Copy(c, io.LimitReader(zeros{}, 100000000)) // ends when the connection does
	if resp, body := c.response("POST"); resp.StatusCode != 413 || body != "big" {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	b.active(0)
}

func bodyThatNobodyWantedIsNoRequest(t *testing.T, d driver) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deaf, rest := make(chan struct{}), make(chan struct{})
	var requests atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			readHead(bufio.NewReader(c))
			requests.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			c.(*net.UnixConn).CloseRead() // here a socket can refuse bytes, and still send
			deaf <- struct{}{}
			<-rest
			io.WriteString(c, "k")
			c.Close()
		}
	}()
	body := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	c := d.start(t, []string{"unix:" + l.Addr().String()}).dial()
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body)))
	<-deaf
	c.send(body)
	time.Sleep(50 * time.Millisecond) // let it be read
	rest <- struct{}{}
	c.response("POST")
	c.CloseWrite()
	c.closed()
	if n := requests.Load(); n != 1 {
		t.Errorf("the endpoint saw %d requests, want 1: the other was a body", n)
	}
}
