package netio

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// lateTicket holds back the last record of a TLS 1.3 server's flight, which is
// its session ticket.
type lateTicket struct {
	net.Conn
	held []byte
}

func (l *lateTicket) Write(p []byte) (int, error) {
	if l.held != nil {
		return l.Conn.Write(p)
	}
	last := 0
	for at := 0; at < len(p); at += recordHeader + int(p[at+3])<<8 + int(p[at+4]) {
		last = at
	}
	l.held = append(l.held, p[last:]...)
	if _, err := l.Conn.Write(p[:last]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// here waits until something that was sent has come.
func here(t *testing.T, c *Conn) {
	t.Helper()
	testkit.Eventually(t, func() bool { return !c.sock.idle() })
}

func TestSessionTicketsThatComeLateAreNoData(t *testing.T) {
	if !canProbe {
		t.Skip("this system does not tell")
	}
	certificates := testkit.NewCertificates(t)
	x, y := pair(t, "tcp")
	sessions := tls.NewLRUClientSessionCache(1)
	client := TLSClient(x, &tls.Config{RootCAs: certificates.Pool, ServerName: "a.example.com", ClientSessionCache: sessions})
	late := &lateTicket{Conn: y}
	server := tls.Server(late, &tls.Config{Certificates: []tls.Certificate{certificates.Server("a.example.com").TLS}})
	made := make(chan error, 1)
	go func() { made <- server.Handshake() }()
	must(t, client.Handshake())
	must(t, <-made)

	if !client.Reusable() {
		t.Error("not reusable before the ticket has come")
	}
	half := len(late.held) / 2
	late.Conn.Write(late.held[:half])
	here(t, client)
	for range 2 { // asking changes nothing
		if client.Reusable() {
			t.Error("reusable in the midst of a record")
		}
	}
	late.Conn.Write(late.held[half:])
	here(t, client)
	for range 2 {
		if !client.Reusable() {
			t.Error("not reusable, though nothing but a session ticket came")
		}
	}
	if _, ok := sessions.Get("a.example.com"); !ok {
		t.Error("the ticket is lost")
	}
	server.Write([]byte("x"))
	here(t, client)
	if client.Reusable() {
		t.Error("reusable with a byte to read")
	}
}

func TestWhatNobodyAskedForMakesAConnectionUseless(t *testing.T) {
	if !canProbe {
		t.Skip("this system does not tell")
	}
	for name, act := range map[string]func(t *testing.T, client, server *Conn){
		"two records that came at once": func(t *testing.T, client, server *Conn) {
			together(t, server, "answer", "poison")
			client.Read(make([]byte, 6))
		},
		"a record that was read in part": func(t *testing.T, client, server *Conn) {
			server.Write([]byte("answer+"))
			client.Read(make([]byte, 6))
		},
		"a part of a record": func(t *testing.T, client, server *Conn) {
			server.records.below.Write([]byte{23, 3, 3, 0, 100, 1, 2})
			here(t, client)
		},
		"no record at all": func(t *testing.T, client, server *Conn) {
			server.records.below.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			here(t, client)
		},
		"a close_notify": func(t *testing.T, client, server *Conn) {
			server.TLS().CloseWrite()
			here(t, client)
		},
		"an end without one": func(t *testing.T, client, server *Conn) {
			server.records.below.CloseWrite()
			here(t, client)
		},
		"a reset": func(t *testing.T, client, server *Conn) {
			server.Abort()
			here(t, client)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, client, server *Conn) {
				if !client.Reusable() {
					t.Fatal("not reusable at first")
				}
				act(t, client, server)
				if client.Reusable() {
					t.Error("reusable")
				}
			})
		})
	}
}
