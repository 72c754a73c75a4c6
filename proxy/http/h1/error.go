package h1

import "strconv"

// An Error says why a message is refused. Parsers return the package's own
// values only, so that callers may compare them and nothing is allocated.
// After any of them the connection that brought the message must be closed:
// where the next message would begin is not known.
type Error struct {
	Status int    // what to answer a client with; for a response from an endpoint use 502
	Reason string // a few words for the log
}

func (e *Error) Error() string { return "h1: " + e.Reason }

// Errors of message heads. The comment says which rule was broken.
var (
	ErrMethod    = &Error{400, "method is not a token"}                                    // RFC 9110 §9.1
	ErrTarget    = &Error{400, "request target is malformed"}                              // RFC 9112 §3.2
	ErrTargetLen = &Error{414, "request line is longer than the head may be"}              // RFC 9112 §3
	ErrVersion   = &Error{505, "HTTP version is neither 1.0 nor 1.1"}                      // RFC 9112 §2.3
	ErrStartLine = &Error{400, "start line is malformed"}                                  // RFC 9112 §3, §4
	ErrConnect   = &Error{501, "CONNECT is for forward proxies"}                           // RFC 9110 §9.3.6
	ErrName      = &Error{400, "field name is not a token"}                                // RFC 9112 §5.1
	ErrValue     = &Error{400, "field value has a control character or a bare CR or LF"}   // RFC 9110 §5.5, RFC 9112 §2.2
	ErrFold      = &Error{400, "field line is folded"}                                     // RFC 9112 §5.2
	ErrHeadSize  = &Error{431, "head is too large"}                                        // RFC 6585 §5
	ErrFields    = &Error{431, "head has too many fields"}                                 // RFC 6585 §5
	ErrHost      = &Error{400, "Host is missing, repeated, malformed or not the target's"} // RFC 9112 §3.2
	ErrLength    = &Error{400, "Content-Length is malformed or repeated"}                  // RFC 9112 §6.3
	ErrCoding    = &Error{400, "Transfer-Encoding is not one final chunked"}               // RFC 9112 §6.3
	ErrUnknown   = &Error{501, "transfer coding is not known"}                             // RFC 9112 §6.1
	ErrBoth      = &Error{400, "both Content-Length and Transfer-Encoding"}                // RFC 9112 §6.1
	ErrCoding10  = &Error{400, "Transfer-Encoding in HTTP/1.0"}                            // RFC 9112 §6.1
	ErrOptions   = &Error{400, "Connection is not a short list of tokens"}                 // RFC 9110 §7.6.1
	ErrExpect    = &Error{417, "expectation is not 100-continue"}                          // RFC 9110 §10.1.1
	ErrInterim   = &Error{400, "1xx with a body"}                                          // RFC 9110 §15.2
	ErrSwitch    = &Error{400, "101 without the protocol it switches to"}                  // RFC 9110 §15.2.2
)

// Errors of message bodies.
var (
	ErrChunk    = &Error{400, "chunk is malformed"}                                 // RFC 9112 §7.1
	ErrOverhead = &Error{400, "chunks carry more framing than data"}                // RFC 9112 §7.1.1
	ErrTrailer  = &Error{400, "trailer field is malformed, forbidden or too large"} // RFC 9110 §6.5.1
	ErrCut      = &Error{400, "connection ended inside a message"}                  // RFC 9112 §8
)

// AppendError appends a whole response made by Spillway itself, with body as
// text. proxyStatus is an error type of RFC 9209 §2.3 with its parameters, such
// as "connection_timeout"; "" leaves Proxy-Status out. For a HEAD request pass
// an empty body. The strings are written as they are. retryAfter is in seconds; with 0
// there is no Retry-After.
func AppendError(dst []byte, status int, proxyStatus string, body string, retryAfter int, close bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, phrase(status)...)
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	if proxyStatus != "" {
		dst = append(dst, "\r\nProxy-Status: spillway; error="...)
		dst = append(dst, proxyStatus...)
	}
	if retryAfter > 0 {
		dst = append(dst, "\r\nRetry-After: "...)
		dst = strconv.AppendInt(dst, int64(retryAfter), 10)
	}
	if close {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// phrase is the reason phrase of a status that a proxy is likely to answer with.
func phrase(status int) string {
	switch status {
	case 200:
		return "OK"
	case 201:
		return "Created"
	case 202:
		return "Accepted"
	case 204:
		return "No Content"
	case 301:
		return "Moved Permanently"
	case 302:
		return "Found"
	case 303:
		return "See Other"
	case 304:
		return "Not Modified"
	case 307:
		return "Temporary Redirect"
	case 308:
		return "Permanent Redirect"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 410:
		return "Gone"
	case 411:
		return "Length Required"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 417:
		return "Expectation Failed"
	case 421:
		return "Misdirected Request"
	case 426:
		return "Upgrade Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	case 508:
		return "Loop Detected"
	}
	return "" // legal, RFC 9112 §4
}
