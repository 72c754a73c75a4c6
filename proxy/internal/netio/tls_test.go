package netio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// tlsPair returns the client's and the server's end of a TLS connection of this
// version, 0: the highest.
func tlsPair(t testing.TB, version uint16) (client, server *Conn) {
	t.Helper()
	client, server = unshaken(t, version)
	made := make(chan error, 1)
	go func() { made <- client.Handshake() }()
	must(t, server.Handshake())
	must(t, <-made)
	return client, server
}

// unshaken is tlsPair before the handshake.
func unshaken(t testing.TB, version uint16) (client, server *Conn) {
	t.Helper()
	certificates := testkit.NewCertificates(t)
	x, y := pair(t, "tcp")
	client = TLSClient(x, &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com"})
	server = TLSServer(y, &tls.Config{
		Certificates: []tls.Certificate{certificates.Server("a.example.com").TLS},
		MaxVersion:   version, DynamicRecordSizingDisabled: true,
	})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

func eachVersion(t *testing.T, f func(t *testing.T, client, server *Conn)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			client, server := tlsPair(t, version)
			f(t, client, server)
		})
	}
}

func TestWaitingForARecordTakesNoBuffer(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		const size = 123457 // no other pool of the tests has it
		pool := NewPool(size)
		got := make(chan string, 1)
		read := make(chan struct{})
		go func() {
			b, err := server.Receive(pool)
			close(read)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(b.B)
			b.Free()
		}()
		// Half a record is not worth a buffer, either.
		var record bytes.Buffer
		below := client.records.below
		client.records.below = Wrap(writing{below, &record})
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		client.records.below = below
		if _, err := below.Write(record.Bytes()[:7]); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func() bool { return server.records.below.Received() > 0 && below.Sent() > 0 })
		select {
		case <-read:
			t.Fatal("half a record was read")
		case <-time.After(10 * time.Millisecond):
		}
		if _, err := below.Write(record.Bytes()[7:]); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "hello" {
			t.Fatalf("got %q", s)
		}
	})
}

// writing is a Conn whose writes go elsewhere.
type writing struct {
	net.Conn
	to io.Writer
}

func (w writing) Write(p []byte) (int, error) { return w.to.Write(p) }

// together has c send a record for each message, all in one write: where the first is
// the others are, too.
func together(t *testing.T, c *Conn, messages ...string) {
	t.Helper()
	var all bytes.Buffer
	below := c.records.below
	c.records.below = Wrap(writing{below, &all})
	for _, m := range messages {
		_, err := c.Write([]byte(m))
		must(t, err)
	}
	c.records.below = below
	_, err := below.Write(all.Bytes())
	must(t, err)
}

func TestAHeadAndItsBodyAreOneRecord(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		n, err := client.WriteBuffers([]byte("head"), []byte("body"))
		if n != 8 || err != nil {
			t.Fatal(n, err)
		}
		b, err := server.Receive(NewPool(64))
		must(t, err)
		if string(b.B) != "headbody" {
			t.Errorf("the first record has %q", b.B)
		}
	})
}

func TestBytesThatWereReadButNotAskedForAreNotIdle(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		if !server.Idle() {
			t.Fatal("nothing was sent, and it is not idle")
		}
		together(t, client, "hello", "hello") // and so they are read at once
		testkit.Eventually(t, func() bool { return server.Unread() })
		must(t, server.Await())
		p := make([]byte, 5)
		for i := range 2 {
			if server.Idle() {
				t.Fatalf("before read %d it is idle", i)
			}
			_, err := io.ReadFull(server, p[:2]) // and the rest is plaintext
			must(t, err)
			if server.Idle() {
				t.Fatalf("in the midst of record %d it is idle", i)
			}
			b, err := server.Receive(NewPool(64))
			must(t, err)
			if string(b.B) != "llo" {
				t.Fatalf("the rest of record %d is %q", i, b.B)
			}
		}
		if !server.Idle() {
			t.Error("all was read, and it is not idle")
		}
	})
}

func TestAnEndWithoutCloseNotifyIsNone(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		_, err := client.Write([]byte("hello"))
		must(t, err)
		must(t, client.records.below.CloseWrite())
		got, err := io.ReadAll(server)
		if string(got) != "hello" || !errors.Is(err, ErrTruncated) {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := server.Receive(NewPool(64)); !errors.Is(err, ErrTruncated) {
			t.Fatalf("the next time: %v", err)
		}
	})
}

func TestReceiveMakesTheHandshake(t *testing.T) {
	for name, first := range map[string]func(c *Conn) bool{
		"Receive":  func(c *Conn) bool { return true },
		"Reusable": func(c *Conn) bool { return !canProbe || c.Reusable() },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := unshaken(t, 0)
			made := make(chan error, 1)
			go func() { made <- client.Handshake() }()
			if !first(server) {
				t.Error("not reusable")
			}
			go func() { client.Write([]byte("hello")) }()
			b, err := server.Receive(NewPool(64))
			must(t, err)
			must(t, <-made)
			if string(b.B) != "hello" {
				t.Errorf("got %q", b.B)
			}
		})
	}
	t.Run("that fails", func(t *testing.T) {
		client, server := unshaken(t, 0)
		go client.records.below.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		for range 2 {
			var header tls.RecordHeaderError
			if _, err := server.Receive(NewPool(64)); !errors.As(err, &header) {
				t.Fatalf("got %v, want what is wrong with the record", err)
			}
		}
	})
}

func TestAPeerKeepsUsWaitingWhileSomebodyReads(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		if server.KeptWaiting() {
			t.Error("nobody reads")
		}
		read := make(chan error)
		go func() {
			_, err := server.Read(make([]byte, 1))
			read <- err
		}()
		testkit.Eventually(t, server.KeptWaiting)
		_, err := client.Write([]byte("x"))
		must(t, err)
		must(t, <-read)
		if server.KeptWaiting() {
			t.Error("what was waited for has come")
		}
	})
}

func TestPackageTLSHasNoSayInDeadlines(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		must(t, server.TLS().CloseWrite()) // after which it lets every write fail
		if _, err := server.records.below.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseSaysSo(t *testing.T) {
	eachVersion(t, func(t *testing.T, client, server *Conn) {
		server.Interrupt() // an earlier deadline does not keep it from doing so
		must(t, server.Close())
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
