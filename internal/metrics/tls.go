package metrics

import "github.com/spillway-lb/spillway/proxy/tlsfront"

// TLS is what a listener tells of its TLS.
type TLS struct {
	Counters     *tlsfront.Counters
	Certificates []tlsfront.Certificate
}

var (
	tlsHandshakes = desc("tls_handshakes_total",
		"TLS handshakes that were made, full ones and those that resumed an earlier session.",
		"listener", "kind")
	tlsFailures = desc("tls_handshake_failures_total",
		"TLS handshakes that were not made, by cause.",
		"listener", "cause")
	tlsReads = desc("tls_file_reloads_total",
		"Certificates and client CAs that had changed: read anew, or not usable, and then the old ones stay.",
		"listener", "result")
	tlsNotAfter = desc("tls_certificate_not_after_seconds",
		"When a certificate that is in use expires, in seconds since 1970.",
		"listener", "cert_file")
)

func (s sink) tls(listener string, t *TLS) {
	s.counter(tlsHandshakes, t.Counters.Full.Load(), listener, "full")
	s.counter(tlsHandshakes, t.Counters.Resumed.Load(), listener, "resumed")
	for i, cause := range tlsfront.Causes {
		s.counter(tlsFailures, t.Counters.Failed[i].Load(), listener, cause)
	}
	s.counter(tlsReads, t.Counters.Read.Load(), listener, "success")
	s.counter(tlsReads, t.Counters.ReadFailed.Load(), listener, "failure")
	seen := make(map[string]bool)
	for _, c := range t.Certificates {
		if !seen[c.CertFile] { // it may be there twice, with two keys
			seen[c.CertFile] = true
			s.gauge(tlsNotAfter, float64(c.NotAfter.Unix()), listener, c.CertFile)
		}
	}
}
