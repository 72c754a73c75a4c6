package hello

// Max is how many bytes are looked at for a ClientHello, with the headers of its
// records.
const Max = 64 << 10

// A State says what the bytes so far amount to.
type State uint8

// The states. All but More are final.
const (
	More      State = iota // perhaps the beginning of a ClientHello
	Found                  // a ClientHello
	NotTLS                 // not TLS; what SSL 2.0 began with isn't either
	Malformed              // records of TLS, but no ClientHello in them
	TooLong                // a ClientHello of more than Max bytes
)

// String returns the state in words for a log.
func (s State) String() string {
	return [...]string{"incomplete", "found", "not TLS", "malformed", "too long"}[s]
}

const (
	recordHeader  = 5       // type, version, length (RFC 8446 §5.1)
	recordMax     = 1 << 14 // bytes of a message in one record
	messageHeader = 4       // type, length (RFC 8446 §4)

	typeHandshake   = 22 // of a record
	typeClientHello = 1  // of a message
	majorVersion    = 3  // of SSL 3.0 and of every TLS
)

// A Reader looks for a ClientHello at the beginning of a stream. The zero value is
// ready. It remembers how far it has come, so that a client that sends byte by
// byte costs little more than any other.
type Reader struct {
	records int                 // bytes of whole records seen, headers included
	message int                 // bytes of the message in them
	header  [messageHeader]byte // of the message
}

// Look says what the stream amounts to as far as it has come. all begins where
// the stream does and has what it had at the last call, and perhaps more. The
// Hello is of use only when one was Found; it may refer to all.
func (r *Reader) Look(all []byte) (Hello, State) {
	for {
		size, state := r.nextRecord(all)
		if state != Found {
			return Hello{}, state
		}
		data := all[r.records+recordHeader : r.records+size]
		if r.message < messageHeader {
			copy(r.header[r.message:], data)
		}
		r.records += size
		r.message += len(data)
		if r.message < messageHeader {
			continue
		}
		if r.header[0] != typeClientHello {
			return Hello{}, Malformed
		}
		whole := messageHeader + int(r.header[1])<<16 + int(r.header[2])<<8 + int(r.header[3])
		switch {
		case whole > Max-recordHeader:
			return Hello{}, TooLong
		case r.message >= whole:
			return parse(gather(all[:r.records], r.message)[messageHeader:whole])
		}
	}
}

// nextRecord returns the size of the record after those seen; Found says that it
// is whole. A record that cannot be one of a ClientHello is told by its first
// bytes, for the sender may be one that waits for an answer.
func (r *Reader) nextRecord(all []byte) (size int, state State) {
	b := all[r.records:]
	wrong := Malformed
	if r.records == 0 {
		wrong = NotTLS
	}
	if len(b) > 0 && b[0] != typeHandshake || len(b) > 1 && b[1] != majorVersion {
		return 0, wrong
	}
	if len(b) < recordHeader {
		return 0, r.orTooLong(recordHeader)
	}
	n := int(b[3])<<8 + int(b[4])
	if n == 0 || n > recordMax { // a handshake record cannot be empty (RFC 8446 §5.1)
		return 0, Malformed
	}
	size = recordHeader + n
	if len(b) < size {
		return 0, r.orTooLong(size)
	}
	if r.records+size > Max {
		return 0, TooLong
	}
	return size, Found
}

// orTooLong is for what needs more bytes, and will have them only if it may.
func (r *Reader) orTooLong(size int) State {
	if r.records+size > Max {
		return TooLong
	}
	return More
}

// gather returns the message that the records carry: a part of them if there is
// one only, else a copy.
func gather(records []byte, message int) []byte {
	if len(records) == recordHeader+message {
		return records[recordHeader:]
	}
	whole := make([]byte, 0, message)
	for len(records) > 0 {
		end := recordHeader + int(records[3])<<8 + int(records[4])
		whole = append(whole, records[recordHeader:end]...)
		records = records[end:]
	}
	return whole
}
