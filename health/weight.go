package health

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// WeightHeader is the field of an HTTP check's response in which an endpoint says which share of the traffic it
// wants, compared with others (spec.md §4.7). kube-proxy, for one, sends it.
const WeightHeader = "X-Load-Balancing-Endpoint-Weight"

// MaxWeight is the largest weight that an endpoint may report.
const MaxWeight = 1000

// Weight is what an endpoint's reply said of its weight. The zero value is that of a check that got no reply, or whose
// type has none to report in.
type Weight struct {
	State WeightState
	Value uint32 // 0 to MaxWeight, where State is WeightValid
	// Text is what was reported where that is not Value: an invalid weight, one above MaxWeight, a fraction. At most 40
	// bytes of it.
	Text string
}

// WeightState says what to think of a Weight.
type WeightState uint8

// The states.
const (
	WeightNone    WeightState = iota // there was no reply
	WeightValid                      // there was one, with a weight
	WeightMissing                    // there was one, without
	WeightInvalid                    // there was one, with something else
)

// ParseWeight reads the values of WeightHeader, one for each time that a response has it. A weight is a number
// in decimal that is not negative: digits, and perhaps a fraction and an exponent. An integer of 0 to MaxWeight is
// taken as it is, a larger number as MaxWeight, and a fraction is rounded, but none above 0 to 0: that would be a word
// of its own. Everything else is invalid: a sign, NaN, infinity, hexadecimal, an empty value, a list, a number
// that is too large for a single-precision float.
func ParseWeight(values []string) Weight {
	switch {
	case len(values) == 0:
		return Weight{State: WeightMissing}
	case len(values) > 1:
		return Weight{State: WeightInvalid, Text: clip(values[0] + ", " + values[1])}
	}
	text := values[0]
	number, err := strconv.ParseFloat(text, 32)
	if !isDecimal(text) || err != nil {
		return Weight{State: WeightInvalid, Text: clip(text)}
	}
	w := Weight{State: WeightValid, Value: uint32(math.Round(min(number, MaxWeight)))}
	if w.Value == 0 && number > 0 {
		w.Value = 1
	}
	if float64(w.Value) != number {
		w.Text = clip(text)
	}
	return w
}

// isDecimal reports whether s has nothing but what the decimal form of a number without a sign is made of. That it is
// one is for strconv to say, which knows more forms than these.
func isDecimal(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '.', c == 'e', c == 'E':
		case (c == '+' || c == '-') && i > 0 && s[i-1]|0x20 == 'e':
		default:
			return false
		}
	}
	return true
}

// clip shortens what an endpoint sent to what a log line can bear.
func clip(s string) string { return s[:min(len(s), 40)] }

// ReportsWeight reports whether the replies that c gets can carry a weight.
func (c Check) ReportsWeight() bool {
	return strings.HasPrefix(c.WithDefaults().Type, "HTTP")
}

// weightOf reads the weight that a reply reports.
func weightOf(r *http.Response) Weight { return ParseWeight(r.Header.Values(WeightHeader)) }
