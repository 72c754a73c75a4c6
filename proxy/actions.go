package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Actions is what a route does besides handing a request to its service, or
// instead of it (spec.md §10.2). The strings are written as they are: they must
// be free of CR and LF. It never changes.
type Actions struct {
	// Redirect and Fixed answer in the service's place; at most one is set.
	Redirect *Redirect
	Fixed    *FixedResponse

	// PathRewrite takes the place of what Route.PathPrefix matched; see
	// Route.AppendRewritten. "": the path stays.
	PathRewrite string
	// HostRewrite is the Host that the endpoint gets; X-Forwarded-Host has the
	// one that the client sent. nil: the client's.
	HostRewrite []byte
	Request     HeaderEdit // to the endpoint
	// Response edits what the endpoint answers, after any 1xx, and what Redirect
	// and Fixed do. Answers that say what went wrong stay as they are.
	Response HeaderEdit
}

// A Redirect sends the client to another URL.
type Redirect struct {
	Status int    // 301, 302, 303, 307 or 308
	Host   string // in place of the request's, with its port if it has one; "": the request's
	// Path takes the place of the whole path, Prefix of what Route.PathPrefix
	// matched; at most one is set.
	Path, Prefix string
	HTTPS        bool // the scheme becomes https, whatever it was
	StripQuery   bool // the query is left out
}

// A FixedResponse is an answer that is always the same.
type FixedResponse struct {
	Status      int    // 200 to 599
	Body        []byte // none with 204, 205 and 304
	ContentType string // "" leaves it out
}

// A Wanted is the URL that a request is for, as received.
type Wanted struct {
	HTTPS     bool
	Authority []byte
	Path      []byte
	Query     []byte // with its "?"; empty: none
}

// AppendLocation appends where a client goes that wanted w and came to the route
// r. It is always an absolute URL: in a relative one a path that begins with "//"
// would name a host of the client's choosing. It reports false where
// AppendRewritten does.
func (d *Redirect) AppendLocation(dst []byte, r *Route, w *Wanted) ([]byte, bool) {
	if w.HTTPS || d.HTTPS {
		dst = append(dst, "https://"...)
	} else {
		dst = append(dst, "http://"...)
	}
	switch {
	case d.Host != "":
		dst = append(dst, d.Host...)
	case d.HTTPS && !w.HTTPS:
		dst = append(dst, withoutPort80(w.Authority)...)
	default:
		dst = append(dst, w.Authority...)
	}
	ok := true
	switch {
	case d.Path != "":
		dst = append(dst, d.Path...)
	case !bytes.HasPrefix(w.Path, []byte("/")): // "OPTIONS *" is about the host as a whole
		dst = append(dst, '/')
	case d.Prefix != "":
		dst, ok = r.AppendRewritten(dst, w.Path, d.Prefix)
	default:
		dst = append(dst, w.Path...)
	}
	if !d.StripQuery {
		dst = append(dst, w.Query...)
	}
	return dst, ok
}

// withoutPort80 takes the port off that means nothing in an http URL (RFC 9110
// §4.2.3), and would be the wrong one in an https URL.
func withoutPort80(authority []byte) []byte {
	host := bytes.TrimSuffix(authority, []byte(":80"))
	return bytes.TrimSuffix(host, []byte(":"))
}

// AppendRewritten appends path, which the route has matched, with other in place
// of what PathPrefix matched. It works on the path that routes compare: unreserved
// characters decoded, dot segments resolved; so what the route did not let through
// does not come out of it either. All else stays byte for byte. "*" stays too.
//
// It reports false where the result would mean something else once an endpoint
// resolves it: "/v1" replaced by "/files/" would make "/files/../x" of "/v1../x",
// and "%2%65" is no encoding, but becomes one.
func (r *Route) AppendRewritten(dst, path []byte, other string) ([]byte, bool) {
	if !bytes.HasPrefix(path, []byte("/")) {
		return append(dst, path...), true
	}
	var scratch [512]byte
	clean := cleanPath(scratch[:0], path)
	matched := max(len(r.PathPrefix), len("/")) // NewRoutes writes "" for "/"
	if matched > len(clean) {
		return dst, false // it never matched
	}
	at := len(dst)
	dst = append(dst, other...)
	dst = append(dst, clean[matched:]...)
	return dst, bytes.Equal(cleanPath(scratch[:0], dst[at:]), dst[at:])
}

// A HeaderEdit takes fields out of a head, and then puts others in. The zero value
// changes nothing. Trailers are not edited.
type HeaderEdit struct {
	drop  []string
	lines []byte
}

// A HeaderField is one to add. With Replace it takes the place of all of its
// name, also of those added before; else it is one more of them.
type HeaderField struct {
	Name, Value string
	Replace     bool
}

// NewHeaderEdit returns the edit that removes and then adds. Names compare without
// regard to case. It refuses what is no field, and the fields that the engine
// writes itself or that end with a connection: to edit those would break framing,
// or the chain of X-Forwarded-For.
func NewHeaderEdit(remove []string, add []HeaderField) (HeaderEdit, error) {
	var e HeaderEdit
	for _, name := range remove {
		if err := checkName(name); err != nil {
			return HeaderEdit{}, err
		}
		e.drop = append(e.drop, strings.ToLower(name))
	}
	var kept []HeaderField
	for _, f := range add {
		if err := checkName(f.Name); err != nil {
			return HeaderEdit{}, err
		}
		if strings.ContainsFunc(f.Value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return HeaderEdit{}, fmt.Errorf("proxy: the value of %s has a control character", f.Name)
		}
		if f.Replace {
			kept = slices.DeleteFunc(kept, func(g HeaderField) bool { return strings.EqualFold(f.Name, g.Name) })
			e.drop = append(e.drop, strings.ToLower(f.Name))
		}
		kept = append(kept, f)
	}
	for _, f := range kept {
		e.lines = fmt.Appendf(e.lines, "%s: %s\r\n", f.Name, f.Value)
	}
	return e, nil
}

// Drop is the names of the fields to take out, in lower case.
func (e *HeaderEdit) Drop() []string { return e.drop }

// Lines is the field lines to put in, each with its CRLF.
func (e *HeaderEdit) Lines() []byte { return e.lines }

// unedited are the fields that HTTP engines write themselves, or that mean one
// connection only (RFC 9110 §7.6.1).
var unedited = []string{
	"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
	"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
}

func checkName(name string) error {
	notToken := func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	if name == "" || strings.ContainsFunc(name, notToken) {
		return fmt.Errorf("proxy: %q is not the name of a field", name)
	}
	if slices.Contains(unedited, strings.ToLower(name)) {
		return fmt.Errorf("proxy: %s is not for a route to change", name)
	}
	return nil
}
