package config

// A URLRedirect answers with where the client is to go instead: an absolute URL
// made of the request's, of which at least host_redirect, path_redirect,
// prefix_redirect or https_redirect changes something. The scheme is http, or
// https where a trusted proxy's X-Forwarded-Proto says so.
type URLRedirect struct {
	// The host in place of the request's, with its port if it needs one.
	// Default: the request's, with its port.
	HostRedirect string `toml:"host_redirect"`
	// The path in place of the whole path. Default: the request's.
	PathRedirect string `toml:"path_redirect"`
	// What takes the place of what path_prefix matched, as with
	// url_rewrite.path_prefix_rewrite. Not with path_redirect. Default: none.
	PrefixRedirect string `toml:"prefix_redirect"`
	// Whether the scheme becomes https. Nothing else changes, but that ":80" goes.
	// Default: `false`.
	HTTPSRedirect bool `toml:"https_redirect"`
	// Whether the query is left out. Default: `false`.
	StripQuery bool `toml:"strip_query"`
	// 301, 302, 303, 307 or 308; or MOVED_PERMANENTLY_DEFAULT, FOUND, SEE_OTHER,
	// TEMPORARY_REDIRECT or PERMANENT_REDIRECT. With 307 and 308 the method stays.
	// Default: `301`.
	RedirectResponseCode RedirectCode `toml:"redirect_response_code"`
}

// A RedirectCode is a status of a redirect. A file may also have its name.
type RedirectCode int

// redirectCodes has the names by which a file may call the codes (spec.md §10.2).
var redirectCodes = map[RedirectCode]string{
	301: "MOVED_PERMANENTLY_DEFAULT",
	302: "FOUND",
	303: "SEE_OTHER",
	307: "TEMPORARY_REDIRECT",
	308: "PERMANENT_REDIRECT",
}

// A FixedResponse answers always the same.
type FixedResponse struct {
	// The status, 200 to 599. Required.
	Status int `toml:"status"`
	// The body, at most 65536 bytes; there is none with 204, 205 and 304.
	// Default: none.
	Body string `toml:"body"`
	// The body's Content-Type. Default: text/plain; charset=utf-8.
	ContentType string `toml:"content_type"`
}

// A URLRewrite changes what the service's endpoints are asked for. At least one
// key is set.
type URLRewrite struct {
	// What takes the place of what path_prefix matched. The rest of the path stays
	// byte for byte, but that "/%61" becomes "/a" and "/x/../a" too; so does the
	// query. A path that would come out with "/../" in it is answered with 400.
	// Default: the path stays.
	PathPrefixRewrite string `toml:"path_prefix_rewrite"`
	// The Host that endpoints get, with its port if it needs one. X-Forwarded-Host
	// still has the client's. Default: the client's.
	HostRewrite string `toml:"host_rewrite"`
}

// A HeaderAction edits heads: what is to be removed first, then what is to be
// added. Host, the fields that frame a message or belong to a connection, Expect,
// Via and X-Forwarded-For, -Host and -Proto cannot be edited. Affinity and routes
// look at the request as it came. Trailers and 1xx responses are not edited,
// nor are answers that say what went wrong.
type HeaderAction struct {
	// Fields that endpoints get. Needs a service. Default: none.
	RequestHeadersToAdd []HeaderToAdd `toml:"request_headers_to_add"`
	// Names of fields that endpoints do not get, in any case. Needs a service.
	// Default: none.
	RequestHeadersToRemove []string `toml:"request_headers_to_remove"`
	// Fields that clients get, also with a redirect or a fixed response.
	// Default: none.
	ResponseHeadersToAdd []HeaderToAdd `toml:"response_headers_to_add"`
	// Names of fields that clients do not get, in any case. Needs a service.
	// Default: none.
	ResponseHeadersToRemove []string `toml:"response_headers_to_remove"`
}

// A HeaderToAdd is one field.
type HeaderToAdd struct {
	// The name, written as it is here. Required.
	HeaderName string `toml:"header_name"`
	// The value. Default: empty.
	HeaderValue string `toml:"header_value"`
	// Whether it takes the place of all fields of its name; else it is one more.
	// Default: `false`.
	Replace bool `toml:"replace"`
}
