package proxy

import (
	"context"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// A Record is one line of the access log: an HTTP exchange, a TCP connection or a
// UDP session that ended.
type Record struct {
	Time     time.Time // when it began
	Listener string
	Service  string
	Endpoint string // the ID of the endpoint that answered, or was tried last
	Client   netip.AddrPort
	TLS      *TLSInfo // nil: the client does not speak it, or not to us
	Protocol string   // "HTTP", "TCP" or "UDP"
	SNI      string   // the name a TLS client asked for, if TLS is not ours and it was read to route by it
	Method   string   // HTTP only, like Host, Path and Status
	Host     string
	Path     string // the request target as received
	Status   int
	BytesIn  int64         // body bytes from the client
	BytesOut int64         // body bytes to the client
	Attempts int           // endpoints tried
	Queued   time.Duration // waited for an endpoint, where all were taken
	Connect  time.Duration
	First    time.Duration // until the endpoint's first response byte
	Total    time.Duration
	// Failed has the attempts that were to be made good by another one, in order.
	Failed []FailedAttempt
	// Cause says why it ended otherwise than well, in the words of RFC 9209's
	// proxy error types where one fits ("connection_refused",
	// "http_request_error"), else "client_gone"; "" when all went well.
	Cause string
}

// A FailedAttempt is a try on an endpoint that was not the end of an exchange, or
// would not have been if there had been another endpoint.
type FailedAttempt struct {
	Endpoint string
	Status   int    // of the response that was not relayed; 0: none came
	Cause    string // why none came, as in Record
	Duration time.Duration
	Then     string // what was done: "another endpoint", "fresh connection", or why nothing was
}

// An AccessLog writes records as JSON lines. A nil *AccessLog is off, and costs
// its callers one comparison. Write never waits for the disk, see [LogWriter]:
// Run writes lines out when 64 KiB of them have gathered, and every second.
// Where lines had to be dropped, the log has this one instead:
//
//	{"time":"2026-01-02T15:04:05.000000Z","lines_dropped":7}
type AccessLog struct {
	out   *LogWriter
	lines sync.Pool // of *[]byte: lines in the making
}

// NewAccessLog returns a log that writes to w, which the caller closes after
// Run has returned.
func NewAccessLog(w io.Writer) *AccessLog {
	out := NewLogWriter(w, droppedJSON)
	out.gather = 64 << 10
	return &AccessLog{out: out, lines: sync.Pool{New: func() any { return new([]byte) }}}
}

// Run writes the log out until ctx ends, and once more then. It returns the
// error of that last write, see [LogWriter.Run].
func (l *AccessLog) Run(ctx context.Context) error { return l.out.Run(ctx) }

// Flush writes out what is there, in the caller's goroutine.
func (l *AccessLog) Flush() error { return l.out.Flush() }

// Dropped returns how many records were dropped so far.
func (l *AccessLog) Dropped() uint64 { return l.out.Dropped() }

// Write adds one record.
func (l *AccessLog) Write(r *Record) {
	line := l.lines.Get().(*[]byte)
	*line = r.AppendJSON((*line)[:0])
	_, _ = l.out.Write(*line)
	l.lines.Put(line)
}

func droppedJSON(lines uint64) string {
	b := appendTime([]byte("{"), time.Now())
	b = appendInt(b, "lines_dropped", int64(lines))
	return string(append(b, "}\n"...))
}

// AppendJSON appends the record as one line of JSON. Durations are seconds.
func (r *Record) AppendJSON(b []byte) []byte {
	b = appendTime(append(b, '{'), r.Time)
	b = appendString(b, "listener", r.Listener)
	b = appendString(b, "service", r.Service)
	b = appendString(b, "endpoint", r.Endpoint)
	b = append(b, `,"client":"`...)
	b = r.Client.AppendTo(b)
	b = append(b, '"')
	b = appendString(b, "protocol", r.Protocol)
	if r.TLS != nil {
		b = appendString(b, "tls_version", r.TLS.Version)
		b = appendString(b, "tls_cipher", r.TLS.Cipher)
	}
	if r.Protocol == "HTTP" {
		b = appendString(b, "method", r.Method)
		b = appendString(b, "host", r.Host)
		b = appendString(b, "path", r.Path)
		b = appendInt(b, "status", int64(r.Status))
	}
	if sni := r.NameAskedFor(); sni != "" {
		b = appendString(b, "sni", sni)
	}
	b = appendInt(b, "bytes_in", r.BytesIn)
	b = appendInt(b, "bytes_out", r.BytesOut)
	b = appendInt(b, "attempts", int64(r.Attempts))
	if r.Queued > 0 {
		b = appendSeconds(b, "queued", r.Queued)
	}
	b = appendSeconds(b, "connect", r.Connect)
	b = appendSeconds(b, "first_byte", r.First)
	b = appendSeconds(b, "total", r.Total)
	b = appendString(b, "cause", r.Cause)
	b = appendFailed(b, r.Failed)
	return append(b, "}\n"...)
}

// NameAskedFor is the name that a TLS client asked for, whoever TLS is with; "": none.
func (r *Record) NameAskedFor() string {
	if r.TLS != nil {
		return r.TLS.SNI
	}
	return r.SNI
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, `"time":"`...)
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	return append(b, '"')
}

// appendFailed appends nothing for the many exchanges without a failed attempt.
func appendFailed(b []byte, failed []FailedAttempt) []byte {
	for i, a := range failed {
		if i == 0 {
			b = append(appendKey(b, "failed_attempts"), '[')
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"attempt":`...)
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = appendString(b, "endpoint", a.Endpoint)
		b = appendInt(b, "status", int64(a.Status))
		b = appendString(b, "cause", a.Cause)
		b = appendSeconds(b, "duration", a.Duration)
		b = appendString(b, "then", a.Then)
		b = append(b, '}')
	}
	if len(failed) > 0 {
		b = append(b, ']')
	}
	return b
}

func appendInt(b []byte, key string, v int64) []byte {
	b = appendKey(b, key)
	return strconv.AppendInt(b, v, 10)
}

func appendSeconds(b []byte, key string, d time.Duration) []byte {
	b = appendKey(b, key)
	return strconv.AppendFloat(b, d.Seconds(), 'f', 6, 64)
}

func appendKey(b []byte, key string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// appendString appends a JSON string. What JSON must escape is escaped, and a byte
// that is no UTF-8 becomes the replacement character: the log stays valid whatever a
// client sends.
func appendString(b []byte, key, s string) []byte {
	const hex = "0123456789abcdef"
	b = appendKey(b, key)
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
