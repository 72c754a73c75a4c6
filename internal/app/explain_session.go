package app

import (
	"fmt"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

// An askedSession is what the strong cookie of a request that was asked about says.
type askedSession struct {
	says     string
	endpoint string // it is bound to
	strict   bool
}

// ownKey is the running proxy's own key, or one that opens nothing.
func (x *asked) ownKey() affinity.Key {
	if x.own != nil {
		return *x.own
	}
	return affinity.NewKey()
}

// session opens the strong cookie as proxy/http/session.go does.
func (x *asked) session(rule *affinity.Rule) (a askedSession) {
	s, _ := rule.Session(nil, x.values("Cookie"), time.Now())
	cookie := "the cookie " + rule.CookieName()
	id := string(s.Endpoint)
	issued := s.Issued.UTC().Format(time.RFC3339)
	switch s.State {
	case affinity.SessionNone:
		a.says = cookie + " is not there"
	case affinity.SessionUnknownKey:
		a.says = cookie + " is sealed with a key that is not known here"
		if x.own == nil && len(x.spec.StrongSessionAffinityCookie.Keys) == 0 {
			a.says = cookie + " cannot be opened: the file has no keys, and those of a proxy that runs are its own; ask that one, with --admin"
		}
	case affinity.SessionOtherService:
		a.says = cookie + " is of another service"
	case affinity.SessionExpired:
		a.says = fmt.Sprintf("%s has expired: it was issued at %s for %s", cookie, issued, id)
	case affinity.SessionValid:
		a.says = fmt.Sprintf("%s is valid: it was issued at %s for %s", cookie, issued, id)
		a.endpoint, a.strict = id, rule.Strict
		if _, configured := x.balancer.Snapshot().Endpoint(s.Endpoint); !configured {
			a.says += ", which is not configured"
		}
	default:
		a.says = cookie + " is forged or damaged"
	}
	return a
}
