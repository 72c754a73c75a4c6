package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// tcpChecker is the check of type TCP (spec.md §8.2): connecting is enough unless an answer is asked for.
type tcpChecker struct{ c Check }

func (t *tcpChecker) Check(ctx context.Context, addr string) Result {
	return attempt(ctx, t.c, addr, t.converse)
}

// converse sends the request, if any, and compares as many bytes as are expected; what follows them is not read.
// The first byte that differs ends it: a peer that has said the wrong thing may then be waiting for us.
func (t *tcpChecker) converse(conn net.Conn, _ string) error {
	if t.c.Request != "" {
		if _, err := io.WriteString(conn, t.c.Request); err != nil {
			return err
		}
	}
	got := make([]byte, 0, len(t.c.Response))
	for len(got) < cap(got) {
		n, err := conn.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if !strings.HasPrefix(t.c.Response, string(got)) {
			return fmt.Errorf("response begins %s, want %s", quote(got), quote([]byte(t.c.Response)))
		}
		if err != nil && len(got) < cap(got) {
			return err
		}
	}
	if t.c.StrictResponse {
		return expectEnd(conn)
	}
	return nil
}

// expectEnd wants nothing more to come.
func expectEnd(conn net.Conn) error {
	more := make([]byte, 40)
	switch n, err := conn.Read(more); {
	case n > 0:
		return fmt.Errorf("response goes on with %s", quote(more[:n]))
	case err == io.EOF:
		return nil
	default:
		return err
	}
}
