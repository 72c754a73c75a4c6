package hello

import (
	"iter"

	"golang.org/x/crypto/cryptobyte"
)

// A Hello is what a ClientHello says that matters to who passes it on.
type Hello struct {
	// ServerName is the name the client asks for (RFC 6066 §3), as it wrote it;
	// empty: it names none.
	ServerName []byte

	protocols cryptobyte.String
}

// Protocols are those the client offers with ALPN (RFC 7301 §3.1), such as "h2",
// the one it likes best first.
func (h Hello) Protocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var p cryptobyte.String
		for rest := h.protocols; rest.ReadUint8LengthPrefixed(&p) && yield(p); {
		}
	}
}

const (
	extServerName = 0
	extALPN       = 16

	nameTypeHost = 0
)

// parse reads the body of a ClientHello (RFC 8446 §4.1.2). What follows the
// extensions it knows is not looked at but for its lengths: a hello that an
// endpoint may take is not ours to refuse.
func parse(body cryptobyte.String) (Hello, State) {
	var h Hello
	const versionAndRandom = 2 + 32
	var skipped, extensions cryptobyte.String
	if !body.Skip(versionAndRandom) ||
		!body.ReadUint8LengthPrefixed(&skipped) || // session ID
		!body.ReadUint16LengthPrefixed(&skipped) || // cipher suites
		!body.ReadUint8LengthPrefixed(&skipped) { // compression methods
		return h, Malformed
	}
	if body.Empty() {
		return h, Found // before TLS 1.3 there need not be extensions
	}
	if !body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return h, Malformed
	}
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		ok := extensions.ReadUint16(&kind) && extensions.ReadUint16LengthPrefixed(&data)
		switch {
		case !ok:
		case kind == extServerName:
			ok = h.readServerName(data)
		case kind == extALPN:
			ok = h.readProtocols(data)
		}
		if !ok {
			return Hello{}, Malformed
		}
	}
	return h, Found
}

// readServerName takes the one host name of a list that may have names of other
// kinds. A second one would leave it to each reader which it takes for the first.
func (h *Hello) readServerName(data cryptobyte.String) bool {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || list.Empty() || !data.Empty() {
		return false
	}
	for !list.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) || name.Empty() {
			return false
		}
		if kind != nameTypeHost {
			continue
		}
		if h.ServerName != nil {
			return false
		}
		h.ServerName = name
	}
	return true
}

func (h *Hello) readProtocols(data cryptobyte.String) bool {
	var list, p cryptobyte.String
	if h.protocols != nil || !data.ReadUint16LengthPrefixed(&list) || list.Empty() || !data.Empty() {
		return false
	}
	h.protocols = list
	for !list.Empty() {
		if !list.ReadUint8LengthPrefixed(&p) || p.Empty() {
			return false
		}
	}
	return true
}
