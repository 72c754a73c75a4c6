package proxy

// CookieResult says what became of a request to a service with strong affinity.
type CookieResult uint8

// The results: one for each request, but for those with a session that nobody has
// answered.
const (
	CookieHit     CookieResult = iota // its session's endpoint has answered
	CookieMoved                       // another one has, and has the session now
	CookieMiss                        // it came without a cookie
	CookieInvalid                     // with one that is forged, damaged, or not ours: of another service or key
	CookieExpired                     // with one that is older than the ttl
	CookieRefused                     // the session's endpoint cannot be had, and no other may be
	cookieResults
)

// CookieResults names the results as the metric's label does.
var CookieResults = [cookieResults]string{"hit", "moved", "miss", "invalid", "expired", "refused"}
