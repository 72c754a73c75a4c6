package health

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
)

// bytesConn is a connection that a peer wrote to and closed.
type bytesConn struct {
	net.Conn
	io.Reader
}

func (c bytesConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// FuzzHTTPVerdictAgreesWithNetHTTP has both read the same bytes: what passes the check is to be, for net/http, a
// whole response with status 200 and the text within the first 1024 bytes.
func FuzzHTTPVerdictAgreesWithNetHTTP(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n0\r\nX: y\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nready"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		const text = "ready"
		h := &httpChecker{Check{Type: TypeHTTP, Response: text}.WithDefaults()}
		if h.readResponse(&wireReader{conn: bytesConn{Reader: bytes.NewReader(wire)}}) != nil {
			return
		}
		body, err := readWithNetHTTP(wire)
		if err != nil {
			t.Fatalf("passed, but net/http says: %v", err)
		}
		if !bytes.Contains(body[:min(len(body), matchWindow)], []byte(text)) {
			t.Fatalf("passed, but net/http reads the body %q", body)
		}
	})
}

func readWithNetHTTP(wire []byte) ([]byte, error) {
	r := bufio.NewReader(bytes.NewReader(wire))
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = &http.ProtocolError{ErrorString: resp.Status}
		}
		return body, err
	}
}
