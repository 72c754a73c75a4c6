package hello_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// greeting is what Go's client sends first.
func greeting(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	if c.ServerName == "" {
		c.InsecureSkipVerify = true
	}
	w := new(firstWrite)
	if err := tls.Client(w, c).Handshake(); err == nil || w.sent == nil {
		t.Fatalf("handshake ended with %v, %d bytes sent", err, len(w.sent))
	}
	return w.sent
}

// A firstWrite keeps what is written, and has nothing to read.
type firstWrite struct {
	net.Conn
	sent []byte
}

func (f *firstWrite) Write(b []byte) (int, error) {
	f.sent = append(f.sent, b...)
	return len(b), nil
}
func (*firstWrite) Read([]byte) (int, error)         { return 0, io.EOF }
func (*firstWrite) Close() error                     { return nil }
func (*firstWrite) SetWriteDeadline(time.Time) error { return nil }

// judge is what Go's server makes of a stream: whether it takes it for a
// ClientHello, and with which name.
func judge(stream []byte) (h *tls.ClientHelloInfo) {
	enough := errors.New("enough")
	c := tls.Server(&onlyRead{b: stream}, &tls.Config{
		GetConfigForClient: func(got *tls.ClientHelloInfo) (*tls.Config, error) {
			h = got
			return nil, enough
		},
	})
	_ = c.Handshake() // it ends with enough, or with why it does not like the stream
	return h
}

// An onlyRead has b to read, and forgets what is written.
type onlyRead struct {
	net.Conn
	b []byte
}

func (o *onlyRead) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.b)
	o.b = o.b[n:]
	return n, nil
}
func (*onlyRead) Write(b []byte) (int, error)      { return len(b), nil }
func (*onlyRead) Close() error                     { return nil }
func (*onlyRead) SetWriteDeadline(time.Time) error { return nil }

// message makes a ClientHello of extensions, without records around it.
func message(extensions ...[]byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(1)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(0x0303)
		b.AddBytes(make([]byte, 32)) // random
		b.AddUint8(0)                // session ID
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(0x0a0a) // GREASE (RFC 8701)
			b.AddUint16(0x1301)
			b.AddUint16(0xc02f)
		})
		b.AddUint8(1) // compression methods
		b.AddUint8(0)
		if extensions == nil {
			return
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range extensions {
				b.AddBytes(e)
			}
		})
	})
	return b.BytesOrPanic()
}

func extension(kind uint16, data []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint16(kind)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
	return b.BytesOrPanic()
}

// serverNames is the extension with these names, each with its type before it:
// "\x00a.example" is a host name.
func serverNames(names ...string) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, n := range names {
			b.AddUint8(n[0])
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(n[1:])) })
		}
	})
	return extension(0, b.BytesOrPanic())
}

func host(name string) []byte { return serverNames("\x00" + name) }

// padding makes a ClientHello longer (RFC 7685).
func padding(n int) []byte { return extension(21, make([]byte, n)) }

// records puts a message into records of up to size bytes each.
func records(message []byte, size int) (stream []byte) {
	for len(message) > 0 {
		n := min(size, len(message))
		stream = append(stream, 22, 3, 1, byte(n>>8), byte(n))
		stream = append(stream, message[:n]...)
		message = message[n:]
	}
	return stream
}
