package simulate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Curve is demand over time: requests per second at some moments, and
// straight lines between them. After the last point it stays as it is. Two
// points of one moment are a step.
type Curve []Point

// A Point is a moment's demand.
type Point struct {
	At   time.Duration // since the beginning
	Rate float64       // requests per second
}

// Constant is the same demand all the time.
func Constant(rate float64) Curve { return Curve{{Rate: rate}} }

// maxRate is where a rate is a slip of the keyboard: arrivals would be less than
// a nanosecond apart.
const maxRate = 1e9

// ParseCurve reads TIME:RATE pairs with commas between them, such as
// "0:300,30s:450,60s:0". Times are durations, or plain seconds.
func ParseCurve(s string) (Curve, error) {
	var c Curve
	for pair := range strings.SplitSeq(s, ",") {
		at, rate, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok {
			return nil, fmt.Errorf("%q is no TIME:RATE, such as 30s:450", pair)
		}
		p := Point{}
		var err error
		if p.At, err = ParseTime(at); err != nil {
			return nil, err
		}
		if p.Rate, err = strconv.ParseFloat(rate, 64); err != nil {
			return nil, fmt.Errorf("%q is no rate: want requests per second", rate)
		}
		c = append(c, p)
	}
	return c, c.validate()
}

// ParseTime reads a moment of a simulation: a duration such as "1m30s", or plain
// seconds.
func ParseTime(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(seconds) < maxDuration.Seconds() {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time: want 30s, 1m30s or seconds", s)
	}
	return d, nil
}

func (c Curve) validate() error {
	if len(c) == 0 {
		return errors.New("the curve of demand has no point")
	}
	if c[0].At != 0 {
		return fmt.Errorf("the curve begins at %v: want 0", c[0].At)
	}
	for i, p := range c {
		if !(p.Rate >= 0 && p.Rate <= maxRate) { // NaN is neither
			return fmt.Errorf("rate %v: want 0 to %.0f requests per second", p.Rate, maxRate)
		}
		if i > 0 && p.At < c[i-1].At {
			return fmt.Errorf("time %v of the curve is before %v", p.At, c[i-1].At)
		}
		if p.At > maxDuration {
			return fmt.Errorf("time %v of the curve is beyond %v", p.At, maxDuration)
		}
	}
	return nil
}

// End is the moment of the last point.
func (c Curve) End() time.Duration {
	if len(c) == 0 {
		return 0
	}
	return c[len(c)-1].At
}

// A schedule walks along a curve by the number of requests that it has brought.
type schedule struct {
	curve Curve
	i     int     // we are behind point i
	x     float64 // seconds behind it
}

// advance goes on until n more requests have come, and returns that moment in
// seconds; false: the curve brings no more.
func (s *schedule) advance(n float64) (float64, bool) {
	for {
		from := s.curve[s.i]
		start := from.At.Seconds()
		if s.i == len(s.curve)-1 {
			if from.Rate == 0 {
				return 0, false
			}
			s.x += n / from.Rate
			return start + s.x, true
		}
		to := s.curve[s.i+1]
		length := to.At.Seconds() - start
		if length > 0 {
			slope := (to.Rate - from.Rate) / length
			now := from.Rate + slope*s.x
			if left := (now + to.Rate) / 2 * (length - s.x); n < left {
				s.x += crossing(now, slope, n)
				return start + s.x, true
			} else {
				n -= left
			}
		}
		s.i, s.x = s.i+1, 0
	}
}

// crossing is the t at which rate·t + slope·t²/2 is n, in the form that does not
// cancel out where slope is small.
func crossing(rate, slope, n float64) float64 {
	return 2 * n / (rate + math.Sqrt(max(0, rate*rate+2*slope*n)))
}
