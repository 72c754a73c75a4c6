//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// As much of HTTP/1.1 (RFC 9112) as the two ends need: where a head ends and how long the body is.

var endOfHead = []byte("\r\n\r\n")

// contentLength finds the field in a head; -1 when there is none or it is no number.
func contentLength(head []byte) int {
	const name = "content-length:" // HAProxy writes names in lower case, others as they came
	for line := range bytes.Lines(head) {
		if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
		if err != nil || n < 0 {
			return -1
		}
		return n
	}
	return -1
}

var (
	errNotOK    = errors.New("the status is not 200")
	errNoLength = errors.New("the response has no Content-Length")
	errLongHead = errors.New("the response head is longer than a buffer")
	errExtra    = errors.New("more bytes came than the response has")
	errClosed   = errors.New("the connection was closed before the response was complete")
)

// A responseSizer tells how many bytes a response has in all. Nearly every head equals the one before, so it compares
// before it parses.
type responseSizer struct {
	head []byte
	size int
}

// sizeOf returns head and body together, or 0 when the head is not complete yet.
func (r *responseSizer) sizeOf(data []byte) (int, error) {
	if len(r.head) > 0 && bytes.HasPrefix(data, r.head) {
		return r.size, nil
	}
	end := bytes.Index(data, endOfHead)
	if end < 0 {
		return 0, nil
	}
	head := data[:end+len(endOfHead)]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("%w: %q", errNotOK, firstLine(head))
	}
	length := contentLength(head)
	if length < 0 {
		return 0, errNoLength
	}
	r.head = append(r.head[:0], head...)
	r.size = len(head) + length
	return r.size, nil
}

// firstLine is what comes before the first line break, of either kind.
func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// canned is a whole response with a body of n bytes.
func canned(n int) []byte {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", n)
	return append([]byte(head), bytes.Repeat([]byte("x"), n)...)
}

// request is a whole request, with a body of n bytes when n is not 0.
func request(path string, n int, last bool) []byte {
	method, fields := "GET", ""
	if n > 0 {
		method, fields = "POST", fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", n)
	}
	if last {
		fields += "Connection: close\r\n"
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: proxybench\r\nAccept: */*\r\n%s\r\n", method, path, fields)
	return append([]byte(head), bytes.Repeat([]byte("x"), n)...)
}
