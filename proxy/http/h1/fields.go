package h1

// A Field is one field line. Both slices point into the parsed buffer; Value is
// without the whitespace around it.
type Field struct{ Name, Value []byte }

// Limits bound a head.
type Limits struct {
	HeadBytes int // start line, fields and the empty line together; 0: 65536
	Fields    int // 0: 256
}

// Framing is how a message's body ends (RFC 9112 §6.3).
type Framing uint8

const (
	NoBody     Framing = iota // there is none
	Length                    // after Length bytes, which may be 0
	Chunked                   // with its last chunk
	UntilClose                // with the connection (responses only)
)
