//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"
)

// checkProxy makes sure, before anything is measured, that a proxy does the work it will be measured at.
func checkProxy(sc scenario, addr string) error {
	switch sc.Kind {
	case echo, echoFresh:
		return checkEcho(addr)
	case datagrams:
		return checkDatagrams(addr)
	case stream:
		return checkStream(addr)
	default:
		return checkHTTP(sc, addr)
	}
}

const checkTimeout = 10 * time.Second

var (
	forwardedFor = regexp.MustCompile(`(?im)^x-forwarded-for: *127\.0\.0\.1\s*$`)
	whichOne     = regexp.MustCompile(`(?m)^endpoint: (\d+)$`)
)

// checkHTTP: the scenario's own request has the right status and body length; a request to /echo arrives with its body
// and with X-Forwarded-For; within 64 requests every endpoint is reached.
func checkHTTP(sc scenario, addr string) error {
	conn, err := net.DialTimeout("tcp", addr, checkTimeout)
	if sc.tls() {
		conn, err = dialTLS(addr)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(checkTimeout))
	in := bufio.NewReader(conn)

	body, err := ask(conn, in, request(sc.Path, sc.Body, false))
	if err != nil {
		return err
	}
	if want := fmt.Sprint("/", len(body)); sc.Path != want {
		return fmt.Errorf("GET %s answered with %d bytes", sc.Path, len(body))
	}

	reached := map[string]bool{}
	for range 64 {
		body, err := ask(conn, in, request("/echo", sc.Body, false))
		if err != nil {
			return err
		}
		if !forwardedFor.Match(body) {
			return fmt.Errorf("X-Forwarded-For: 127.0.0.1 does not arrive at the endpoint, which received %q", body)
		}
		if want := fmt.Sprintf("\nbody: %d\n", sc.Body); !bytes.Contains(body, []byte(want)) {
			return fmt.Errorf("a request body of %d bytes does not arrive at the endpoint, which received %q", sc.Body, body)
		}
		if which := whichOne.FindSubmatch(body); which != nil {
			reached[string(which[1])] = true
		}
		if len(reached) == endpointCount {
			return nil
		}
	}
	return fmt.Errorf("64 requests reached %d of %d endpoints", len(reached), endpointCount)
}

func ask(conn net.Conn, in *bufio.Reader, request []byte) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s", errNotOK, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// checkEcho: bytes come back unchanged, on as many connections as there are endpoints.
func checkEcho(addr string) error {
	for i := range endpointCount {
		conn, err := dialTCP(addr)
		if err != nil {
			return err
		}
		sent := bytes.Repeat([]byte{'a' + byte(i)}, echoBytes)
		got := make([]byte, echoBytes)
		_, err = conn.Write(sent)
		if err == nil {
			_, err = io.ReadFull(conn, got)
		}
		conn.Close()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, sent) {
			return fmt.Errorf("%q came back as %q", sent, got)
		}
	}
	return nil
}

// checkStream: a megabyte flows.
func checkStream(addr string) error {
	conn, err := dialTCP(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, echoBytes)); err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, conn, 1<<20)
	return err
}

func dialTCP(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, checkTimeout)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(checkTimeout))
	return conn, nil
}
