package h1

import "strconv"

// Drop leaves the fields with these names, given in lower case, out of what
// AppendTo writes. Those that AppendTo has rules of its own for keep to their
// rules, so the message's framing stays as it is. It is called after Parse, as
// often as one likes.
func (r *Request) Drop(names []string) { r.head.drop(r.Fields, names) }

// Drop is as Request.Drop.
func (r *Response) Drop(names []string) { r.head.drop(r.Fields, names) }

func (h *head) drop(fields []Field, names []string) {
	if len(names) > 0 {
		h.cutFields(fields, func(name []byte) bool { return foldAny(name, names) })
	}
}

func foldAny(name []byte, names []string) bool {
	for _, n := range names {
		if len(n) != len(name) {
			continue
		}
		i := 0
		for i < len(n) && lower(name[i]) == n[i] {
			i++
		}
		if i == len(n) {
			return true
		}
	}
	return false
}

// An Answer is a whole response of the proxy's own that says nothing is wrong.
// Its strings and bytes are written as they are.
type Answer struct {
	Status      int
	Location    []byte // empty: none
	ContentType string // "": none
	Length      int    // of the body that a GET gets
	Add         []byte // more field lines, each with its CRLF
	Close       bool
}

// AppendTo appends the head of the response; the body is for the caller to send.
func (a *Answer) AppendTo(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, phrase(a.Status)...)
	dst = append(dst, '\r', '\n')
	if len(a.Location) > 0 {
		dst = append(dst, "Location: "...)
		dst = append(dst, a.Location...)
		dst = append(dst, '\r', '\n')
	}
	if a.ContentType != "" {
		dst = append(dst, "Content-Type: "...)
		dst = append(dst, a.ContentType...)
		dst = append(dst, '\r', '\n')
	}
	dst = append(dst, a.Add...)
	if a.Status != 204 && a.Status != 304 { // RFC 9110 §8.6: never with the one; with the other it would be another response's
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(a.Length), 10)
		dst = append(dst, '\r', '\n')
	}
	if a.Close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, '\r', '\n')
}
