package hello_test

import (
	"bytes"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/hello"
)

func seeds(f *testing.F) (messages [][]byte) {
	for _, c := range []*tls.Config{
		{},
		{ServerName: "a.example.com"},
		{ServerName: "a.example.com", MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
	} {
		messages = append(messages, greeting(f, c)[5:])
	}
	return append(messages,
		message(), message(host("x")), message(serverNames("\x07u", "\x00x")), message(host("a"), host("b")),
		message(host("a."), extension(16, []byte("\x00\x03\x02h2"))), message(host("")))
}

// What Go's server takes for a hello we do, too, and both read the same names.
func FuzzTheNameIsTheOneThatGoReads(f *testing.F) {
	for i, m := range seeds(f) {
		f.Add(m, uint16(1+500*i))
	}
	f.Fuzz(func(t *testing.T, message []byte, size uint16) {
		stream := records(message, max(1, min(int(size), 1<<14)))
		h, state := look(stream)
		want := judge(stream)
		if want == nil || state == hello.TooLong {
			return // a server may ask for more than we look at
		}
		if state != hello.Found {
			t.Fatalf("%v, but Go reads the name %q", state, want.ServerName)
		}
		if string(h.ServerName) != want.ServerName {
			t.Errorf("name %q, but Go reads %q", h.ServerName, want.ServerName)
		}
		var protocols []string
		for p := range h.Protocols() {
			protocols = append(protocols, string(p))
		}
		if !slices.Equal(protocols, want.SupportedProtos) {
			t.Errorf("protocols %q, but Go reads %q", protocols, want.SupportedProtos)
		}
	})
}

// Whatever comes, it comes to the same in pieces, and nothing that is final
// changes when there is more.
func FuzzPiecesAreAsTheWhole(f *testing.F) {
	for i, m := range seeds(f) {
		f.Add(records(m, 100*i+1), uint(7*i))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint(3))
	f.Fuzz(func(t *testing.T, stream []byte, step uint) {
		whole, want := look(stream)
		var r hello.Reader
		for n := 0; ; n = min(n+1+int(step%1000), len(stream)) {
			h, state := r.Look(stream[:n])
			if state != hello.More || n == len(stream) {
				if state != want || !bytes.Equal(h.ServerName, whole.ServerName) {
					t.Fatalf("after %d of %d bytes %q, %v; as a whole %q, %v",
						n, len(stream), h.ServerName, state, whole.ServerName, want)
				}
				return
			}
		}
	})
}
