package affinity

import (
	"fmt"
	"strings"
)

// Kind says what of a request names its client (spec.md §5.1). The zero value is None.
type Kind uint8

// The kinds, by their names in the file.
const (
	None                  Kind = iota // NONE: nobody is remembered; a hash policy uses the 5-tuple
	ClientIP                          // CLIENT_IP: source and destination address
	ClientIPProto                     // CLIENT_IP_PROTO: addresses and protocol
	ClientIPPortProto                 // CLIENT_IP_PORT_PROTO: the 5-tuple
	ClientIPNoDestination             // CLIENT_IP_NO_DESTINATION: source address
	GeneratedCookie                   // GENERATED_COOKIE: a cookie of ours, one for all services
	HeaderField                       // HEADER_FIELD: the value of one header
	HTTPCookie                        // HTTP_COOKIE: a cookie of the service's own
	StrongCookie                      // STRONG_COOKIE_AFFINITY: a sealed cookie that names the endpoint
)

var kindNames = [...]string{
	None:                  "NONE",
	ClientIP:              "CLIENT_IP",
	ClientIPProto:         "CLIENT_IP_PROTO",
	ClientIPPortProto:     "CLIENT_IP_PORT_PROTO",
	ClientIPNoDestination: "CLIENT_IP_NO_DESTINATION",
	GeneratedCookie:       "GENERATED_COOKIE",
	HeaderField:           "HEADER_FIELD",
	HTTPCookie:            "HTTP_COOKIE",
	StrongCookie:          "STRONG_COOKIE_AFFINITY",
}

// ParseKind reads a kind by its name in the file, in any case; the empty string is None, the default.
func ParseKind(s string) (Kind, error) {
	if s == "" {
		return None, nil
	}
	for k, name := range kindNames {
		if strings.EqualFold(s, name) {
			return Kind(k), nil
		}
	}
	return None, fmt.Errorf("affinity: unknown session affinity %q; known are %s", s, strings.Join(kindNames[:], ", "))
}

// String is the name in the file, such as "CLIENT_IP".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// NeedsFlow reports whether the key is made of addresses ([Rule.FlowKey]). These kinds work for every protocol.
func (k Kind) NeedsFlow() bool { return k <= ClientIPNoDestination }

// NeedsCookie reports whether the key is the value of a cookie, which we set when the client has none.
func (k Kind) NeedsCookie() bool { return k == GeneratedCookie || k == HTTPCookie }

// NeedsHeader reports whether the key is the value of a header.
func (k Kind) NeedsHeader() bool { return k == HeaderField }

// NeedsHTTP reports whether the kind means something for HTTP only.
func (k Kind) NeedsHTTP() bool { return k.NeedsCookie() || k.NeedsHeader() || k == StrongCookie }

// NeedsHashing reports whether the kind does nothing without a policy that goes by keys (spec.md §5.1).
func (k Kind) NeedsHashing() bool { return k != None && k != StrongCookie }
