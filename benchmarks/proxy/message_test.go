//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestContentLengthIsFoundInAnyCase(t *testing.T) {
	for head, want := range map[string]int{
		"GET / HTTP/1.1\r\n\r\n":                                          -1,
		"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n":                   12,
		"POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n":                     0,
		"POST / HTTP/1.1\r\nX-Content-Length: 12\r\n\r\n":                 -1,
		"POST / HTTP/1.1\r\nContent-Length: twelve\r\n\r\n":               -1,
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n":                   -1,
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n": -1,
	} {
		if got := contentLength([]byte(head)); got != want {
			t.Errorf("contentLength(%q) = %d, want %d", head, got, want)
		}
	}
}

func TestResponseSizeFollowsTheHead(t *testing.T) {
	var sizer responseSizer
	for _, n := range []int{128, 128, 16384, 128, 0} { // the second from memory, the third not
		whole := canned(n)
		for cut := range 20 {
			if size, err := sizer.sizeOf(whole[:cut]); size != 0 || err != nil {
				t.Fatalf("%d bytes of a head: size %d, error %v", cut, size, err)
			}
		}
		if size, err := sizer.sizeOf(whole); size != len(whole) || err != nil {
			t.Errorf("a response of %d bytes: size %d, error %v", len(whole), size, err)
		}
	}
}

func TestWhatIsNoPlainAnswerIsAnError(t *testing.T) {
	for response, want := range map[string]error{
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n": errNotOK,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n": errNoLength,
		"SSH-2.0-OpenSSH\r\n\r\n":                               errNotOK,
	} {
		var sizer responseSizer
		if _, err := sizer.sizeOf([]byte(response)); !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", response, err, want)
		}
	}
}

// The oracle is net/http: what we write, it reads with the same meaning.
func TestRequestsAndResponsesAreHTTP(t *testing.T) {
	for _, n := range []int{0, 1, 1 << 20} {
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request("/128", n, n == 1))))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(req.Body); err != nil || len(body) != n || req.Close != (n == 1) {
			t.Errorf("a request with %d bytes: %d bytes, close %v, error %v", n, len(body), req.Close, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(canned(n))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || len(body) != n {
			t.Errorf("a response with %d bytes: %d bytes, error %v", n, len(body), err)
		}
	}
}

func FuzzResponseSize(f *testing.F) {
	f.Add(canned(3))
	f.Add([]byte("HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var sizer responseSizer
		size, err := sizer.sizeOf(data)
		if err == nil && size != 0 && size < bytes.Index(data, endOfHead)+len(endOfHead) {
			t.Errorf("a size of %d ends inside the head", size)
		}
		if again, err2 := sizer.sizeOf(data); again != size || (err == nil) != (err2 == nil) {
			t.Errorf("the second answer is %d, %v; the first was %d, %v", again, err2, size, err)
		}
	})
}

func FuzzProcFiles(f *testing.F) {
	f.Add("12 (a) b) S 7 1 1 0 -1 0 0 0 0 0 3 4 0 0")
	f.Add("Rss:  12 kB\n")
	f.Add("cpu  1 2 3 4 5 6 7 8\n")
	f.Fuzz(func(t *testing.T, s string) { // must not panic, whatever a kernel writes
		_, _, _ = parseStat(s)
		_, _ = parseSchedstat(s)
		parseKilobytes([]byte(s), "Rss:")
		countEstablished([]byte(s), 80)
		parseStatm(s)
		parseBusy(s)
		for name := range parseStrace(s) {
			if strings.ContainsAny(name, " \n") {
				t.Errorf("a system call named %q", name)
			}
		}
	})
}
