package http_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func largeBodiesArriveUnchanged(t *testing.T, d driver) {
	data := make([]byte, 20<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	want := sha256.Sum256(data)
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h := sha256.New()
		io.Copy(h, r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%x", h.Sum(nil)))
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		}
		w.Write(data)
	})
	b := d.start(t, []string{addr})
	defer nethttp.DefaultClient.CloseIdleConnections()
	for _, chunked := range []bool{false, true} {
		var body io.Reader = bytes.NewReader(data)
		url := "http://" + b.addr + "/?length"
		if chunked {
			body, url = io.MultiReader(body), "http://"+b.addr+"/"
		}
		resp, err := nethttp.Post(url, "application/octet-stream", body)
		if err != nil {
			t.Fatalf("chunked %v: %v; %s", chunked, err, b.log)
		}
		h := sha256.New()
		if _, err := io.Copy(h, resp.Body); err != nil {
			t.Fatalf("chunked %v: %v; %s", chunked, err, b.log)
		}
		resp.Body.Close()
		if got := resp.Header.Get("X-Sum"); got != fmt.Sprintf("%x", want) {
			t.Errorf("chunked %v: the endpoint received other bytes", chunked)
		}
		if !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("chunked %v: the client received other bytes", chunked)
		}
	}
}

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
	go io.Copy(c.TCPConn, io.LimitReader(zeros{}, 100000000)) // ends when the connection does
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
