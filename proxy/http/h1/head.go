package h1

import (
	"bytes"
	"slices"
)

// A cut is a field line that does not simply pass through, in the order of the
// buffer. What lies between cuts is copied in one piece.
type cut struct {
	from, to uint32 // the line with its CRLF, in head.buf
	field    uint32 // index in Fields
	kind     kind
}

// maxOptions bounds the names that Connection may list, because each is looked
// for among all fields.
const maxOptions = 32

// head is what requests and responses have in common: field lines, and what
// they say about framing and the connection.
type head struct {
	buf        []byte // the whole head
	start, end int    // the field lines: buf[start:end]
	memo

	has                           uint32 // bit per kind that occurred
	host, length, coding, upgrade []byte
	close, keepAlive, upgrading   bool // options of Connection

	// Of a head that was incomplete, see look:
	seen int  // bytes looked at
	past bool // the start line is there and sound
}

// memo is what a head notes of its fields. Its capacity is used again.
type memo struct {
	cuts    []cut
	options [][]byte // of Connection, but close, keep-alive and upgrade
}

// begin makes h ready for a head to be parsed.
func (h *head) begin() {
	h.cuts, h.options = h.cuts[:0], h.options[:0]
	h.has = 0
	h.host, h.length, h.coding, h.upgrade = nil, nil, nil, nil
	h.close, h.keepAlive, h.upgrading, h.past = false, false, false, false
}

// memory gives the capacity of h, without a pointer into a buffer.
func (h *head) memory() memo {
	clear(h.options)
	return memo{h.cuts[:0], h.options[:0]}
}

// waiting says whether an earlier call has looked at a part of this head.
func (h *head) waiting(buf []byte) bool { return 0 < h.seen && h.seen <= len(buf) }

// remember ends a call: it notes how much of an incomplete head was looked at,
// and gives up on one that has outgrown its limit.
func (h *head) remember(buf []byte, n int, err error, limited bool) (int, error) {
	if n == 0 && err == nil && limited {
		err = ErrHeadSize
		if bytes.IndexByte(buf, '\n') < 0 {
			err = ErrTargetLen
		}
	}
	h.seen = 0
	if n == 0 && err == nil && len(buf) > 0 {
		h.seen = len(buf)
		if buf[len(buf)-1] == '\r' {
			h.seen-- // what comes next decides about it
		}
	}
	return n, err
}

// look goes over the bytes that came since the last call and says whether it is
// time to parse: the start line or the empty line is complete. Until then nothing
// but bytes that no head may hold is an error. So a head that comes byte by byte
// is looked at once and parsed a few times, whatever its size.
func (h *head) look(buf []byte) (bool, error) {
	i := h.seen
	for {
		i = valueEnd(buf, i)
		switch {
		case i == len(buf):
			return false, nil
		case buf[i] != '\r':
			return false, ErrValue
		case i+1 == len(buf):
			return false, nil
		case buf[i+1] != '\n':
			return false, ErrValue
		}
		i += 2
		if !h.past || i >= 4 && buf[i-4] == '\r' && buf[i-3] == '\n' {
			return true, nil
		}
	}
}

// parseFields reads field lines from start to the empty line, into fields, and
// returns the size of the head, or 0 if buf ends before it does. Of the kinds
// that mark names it makes cuts.
func (h *head) parseFields(buf []byte, start int, fields []Field, marks uint32, limit int) ([]Field, int, error) {
	i := start
	for {
		line := i
		i = nameEnd(buf, i)
		if i == len(buf) {
			return fields, 0, nil
		}
		if buf[i] != ':' || i == line {
			return h.endOfFields(buf, start, line, i, fields)
		}
		name := buf[line:i]
		i++
		for i < len(buf) && (buf[i] == ' ' || buf[i] == '\t') {
			i++
		}
		from := i
		i = valueEnd(buf, i)
		if i == len(buf) || buf[i] == '\r' && i+1 == len(buf) {
			return fields, 0, nil
		}
		if buf[i] != '\r' || buf[i+1] != '\n' {
			return fields, 0, ErrValue
		}
		to := i
		for to > from && (buf[to-1] == ' ' || buf[to-1] == '\t') {
			to--
		}
		i += 2
		if len(fields) == limit {
			return fields, 0, ErrFields
		}
		if len(fields) == cap(fields) {
			fields = slices.Grow(fields, 16)
		}
		fields = fields[:len(fields)+1] // filled in place: append would copy a Field twice
		f := &fields[len(fields)-1]
		f.Name, f.Value = name, buf[from:to]
		if k := kindOf(name); marks>>k&1 != 0 {
			h.cuts = append(h.cuts, cut{uint32(line), uint32(i), uint32(len(fields) - 1), k})
			if err := h.note(k, buf[from:to]); err != nil {
				return fields, 0, err
			}
		}
	}
}

// endOfFields judges a line that does not begin with a name and a colon; at is
// the first byte that cannot be part of a name.
func (h *head) endOfFields(buf []byte, start, line, at int, fields []Field) ([]Field, int, error) {
	switch c := buf[at]; {
	case at > line || c == ':':
		return fields, 0, ErrName // also whitespace before the colon, RFC 9112 §5.1
	case c == ' ' || c == '\t':
		return fields, 0, ErrFold
	case c != '\r':
		return fields, 0, ErrName
	case at+1 == len(buf):
		return fields, 0, nil
	case buf[at+1] != '\n':
		return fields, 0, ErrValue
	}
	h.buf, h.start, h.end = buf[:at+2], start, line
	return fields, at + 2, nil
}

// note takes down what a special field says.
func (h *head) note(k kind, value []byte) error {
	again := h.has>>k&1 != 0
	h.has |= 1 << k
	switch k {
	case kHost:
		if again {
			return ErrHost
		}
		h.host = value
	case kLength:
		// Also refuses the same number twice: nothing sound sends that.
		if again {
			return ErrLength
		}
		h.length = value
	case kCoding:
		if again {
			return ErrCoding
		}
		h.coding = value
	case kUpgrade:
		h.upgrade = value
		if again {
			h.upgrade = nil
		}
	case kExpect:
		if again {
			return ErrExpect
		}
	case kConnection:
		return h.noteOptions(value)
	}
	return nil
}

func (h *head) noteOptions(list []byte) error {
	for len(list) > 0 {
		var o []byte
		o, list = nextMember(list)
		switch {
		case len(o) == 0:
		case fold(o, "close"):
			h.close = true
		case fold(o, "keep-alive"):
			h.keepAlive = true
		case fold(o, "upgrade"):
			h.upgrading = true
		case !all(o, isToken) || len(h.options) == maxOptions:
			return ErrOptions
		default:
			h.options = append(h.options, o)
		}
	}
	return nil
}

// cutListed adds the fields that Connection names to the cuts. Essential ones
// stay.
func (h *head) cutListed(fields []Field) {
	if len(h.options) > 0 {
		h.cutFields(fields, h.listed)
	}
}

// cutFields adds the fields with such names to the cuts. Marked fields have
// their own rules.
func (h *head) cutFields(fields []Field, unwanted func(name []byte) bool) {
	known := len(h.cuts)
	k, at := 0, h.start
	for i := range fields {
		line := at
		for h.buf[at] != '\n' {
			at++
		}
		at++
		if k < known && h.cuts[k].field == uint32(i) {
			k++
		} else if unwanted(fields[i].Name) {
			h.cuts = append(h.cuts, cut{uint32(line), uint32(at), uint32(i), kListed})
		}
	}
	// Both halves are sorted; few are in the second, so insertion is enough. It is
	// bounded by the number of fields squared, of two-word moves.
	for i := known; i < len(h.cuts); i++ {
		for j := i; j > 0 && h.cuts[j].from < h.cuts[j-1].from; j-- {
			h.cuts[j], h.cuts[j-1] = h.cuts[j-1], h.cuts[j]
		}
	}
}

func (h *head) listed(name []byte) bool {
	for _, o := range h.options {
		if foldEqual(o, name) {
			return !essential(name)
		}
	}
	return false
}

// framing decides from Content-Length and Transfer-Encoding; none says that
// neither was there.
func (h *head) framing(minor byte) (f Framing, length int64, none bool, err error) {
	hasLength, hasCoding := h.has>>kLength&1 != 0, h.has>>kCoding&1 != 0
	switch {
	case hasLength && hasCoding:
		return 0, 0, false, ErrBoth
	case hasCoding && minor == 0:
		return 0, 0, false, ErrCoding10
	case hasCoding:
		return Chunked, 0, false, checkCoding(h.coding)
	case hasLength:
		length, err = parseLength(h.length)
		return Length, length, false, err
	}
	return NoBody, 0, true, nil
}

// checkCoding wants "chunked". Other codings before a final chunked are legal,
// but not implemented; anything else leaves the body's end in doubt.
func checkCoding(list []byte) error {
	if fold(list, "chunked") {
		return nil
	}
	others, final := 0, false
	for len(list) > 0 {
		var m []byte
		m, list = nextMember(list)
		if final || len(m) == 0 || !all(m, isToken) {
			return ErrCoding
		}
		if final = fold(m, "chunked"); !final {
			others++
		}
	}
	if final && others > 0 {
		return ErrUnknown
	}
	return ErrCoding
}

func parseLength(b []byte) (n int64, err error) {
	if len(b) == 0 {
		return 0, ErrLength
	}
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (1<<63-1-d)/10 {
			return 0, ErrLength
		}
		n = n*10 + d
	}
	return n, nil
}

// tunnels says whether an Upgrade list names only protocols that may be passed
// through. HTTP and TLS themselves may not: a client could then speak to the
// endpoint behind the routes' back (h2c smuggling).
func tunnels(list []byte) bool {
	some := false
	for len(list) > 0 {
		var m []byte
		m, list = nextMember(list)
		name := m
		for i, c := range m {
			if c == '/' {
				name = m[:i]
				if !all(m[i+1:], isToken) || i+1 == len(m) {
					return false
				}
				break
			}
		}
		if len(name) == 0 || !all(name, isToken) ||
			fold(name, "h2c") || fold(name, "h2") || fold(name, "h3") || fold(name, "http") || fold(name, "tls") {
			return false
		}
		some = true
	}
	return some
}
