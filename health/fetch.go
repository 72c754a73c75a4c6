package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
)

// MaxPage is how large a page may be that Fetch reads.
const MaxPage = 1 << 20

// A Page is what an endpoint answers a Fetch.
type Page struct {
	ContentType string // as it came
	Body        []byte
}

// Fetch gets the page at RequestPath as an HTTP or HTTPS check does, on a connection of its own, within c.Timeout, and
// leaves nothing behind. accept lists the media types that are wanted. An answer other than 200, or that is not whole,
// or has more than MaxPage bytes, is an error. c must be valid; its thresholds and what else says when an endpoint is
// well do not matter.
func Fetch(ctx context.Context, c Check, addr, accept string) (Page, error) {
	c = c.WithDefaults()
	var page Page
	r := attempt(ctx, c, addr, func(conn net.Conn, target string) (err error) {
		if _, err = conn.Write(fetchRequest(c, target, accept)); err == nil {
			page, err = readPage(conn)
		}
		return err
	})
	if !r.OK {
		return Page{}, errors.New(r.Reason)
	}
	return page, nil
}

func fetchRequest(c Check, target, accept string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: spillway\r\nAccept: %s\r\nConnection: close\r\n\r\n",
		c.RequestPath, c.authority(target), accept)
}

func readPage(conn io.Reader) (Page, error) {
	wire := &wireReader{conn: conn, left: headLimit}
	resp, err := readHead(bufio.NewReader(wire))
	switch {
	case err != nil && wire.left == 0:
		return Page{}, verdict(fmt.Sprintf("response head is longer than %d bytes", headLimit))
	case err != nil && wire.err != nil: // net/http does not always pass on the connection's error; wire has it
		return Page{}, wire.err
	case err != nil:
		return Page{}, verdict("malformed response, begins " + quote(wire.begin))
	case resp.StatusCode != http.StatusOK:
		return Page{}, verdict(fmt.Sprintf("status %d, want 200", resp.StatusCode))
	}
	wire.left = math.MaxInt
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxPage+1))
	switch {
	case err != nil:
		return Page{}, err
	case len(body) > MaxPage:
		return Page{}, verdict(fmt.Sprintf("page is larger than %d bytes", MaxPage))
	}
	return Page{ContentType: resp.Header.Get("Content-Type"), Body: body}, nil
}
