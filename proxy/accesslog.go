package proxy

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// A Record is one line of the access log: an HTTP exchange or a TCP connection
// that ended.
type Record struct {
	Time     time.Time // when it began
	Listener string
	Service  string
	Endpoint string // the ID of the endpoint that answered, or was tried last
	Client   netip.AddrPort
	Protocol string // "HTTP" or "TCP"
	Method   string // HTTP only, like Host, Path and Status
	Host     string
	Path     string // the request target as received
	Status   int
	BytesIn  int64 // body bytes from the client
	BytesOut int64 // body bytes to the client
	Attempts int   // endpoints tried
	Connect  time.Duration
	First    time.Duration // until the endpoint's first response byte
	Total    time.Duration
	// Cause says why it ended otherwise than well, in the words of RFC 9209's
	// proxy error types where one fits ("connection_refused",
	// "http_request_error"), else "client_gone"; "" when all went well.
	Cause string
}

// An AccessLog writes records as JSON lines. A nil *AccessLog is off, and costs
// its callers one comparison. Lines are buffered; Run flushes them every second.
type AccessLog struct {
	mu  sync.Mutex
	out *bufio.Writer
	buf []byte
}

// NewAccessLog returns a log that writes to w, which the caller closes after
// Run has returned.
func NewAccessLog(w io.Writer) *AccessLog {
	return &AccessLog{out: bufio.NewWriterSize(w, 64<<10)}
}

// Run flushes the log every second until done is closed, and once more then.
func (l *AccessLog) Run(done <-chan struct{}) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.Flush()
		case <-done:
			l.Flush()
			return
		}
	}
}

// Flush hands buffered lines to the writer. Errors are dropped: a full disk must
// not stop traffic.
func (l *AccessLog) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.out.Flush()
}

// Write adds one record.
func (l *AccessLog) Write(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = r.AppendJSON(l.buf[:0])
	_, _ = l.out.Write(l.buf)
}

// AppendJSON appends the record as one line of JSON. Durations are seconds.
func (r *Record) AppendJSON(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = r.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, '"')
	b = appendString(b, "listener", r.Listener)
	b = appendString(b, "service", r.Service)
	b = appendString(b, "endpoint", r.Endpoint)
	b = append(b, `,"client":"`...)
	b = r.Client.AppendTo(b)
	b = append(b, '"')
	b = appendString(b, "protocol", r.Protocol)
	if r.Protocol == "HTTP" {
		b = appendString(b, "method", r.Method)
		b = appendString(b, "host", r.Host)
		b = appendString(b, "path", r.Path)
		b = appendInt(b, "status", int64(r.Status))
	}
	b = appendInt(b, "bytes_in", r.BytesIn)
	b = appendInt(b, "bytes_out", r.BytesOut)
	b = appendInt(b, "attempts", int64(r.Attempts))
	b = appendSeconds(b, "connect", r.Connect)
	b = appendSeconds(b, "first_byte", r.First)
	b = appendSeconds(b, "total", r.Total)
	b = appendString(b, "cause", r.Cause)
	return append(b, "}\n"...)
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
