package proxy

import (
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
)

func TestCodesCountEveryResponse(t *testing.T) {
	var s Stats
	a, b := new(balance.Load), new(balance.Load)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				s.Codes(a).Add(200 + i%10)
				s.Codes(b).Add(503)
				s.Codes(nil).Add(404)
			}
		})
	}
	wg.Wait()
	sum := func(of *balance.Load) (n uint64, codes int) {
		s.Codes(of).Each(func(_ int, c uint64) { n += c; codes++ })
		return n, codes
	}
	for of, codes := range map[*balance.Load]int{a: 10, b: 1, nil: 1} {
		if n, c := sum(of); n != 8000 || c != codes {
			t.Errorf("got %d responses of %d codes, want 8000 of %d", n, c, codes)
		}
	}
	s.Forget(func(l *balance.Load) bool { return l == a })
	if n, _ := sum(b); n != 0 {
		t.Errorf("a forgotten endpoint has %d responses", n)
	}
	if n, _ := sum(nil); n != 8000 {
		t.Error("what Spillway answered itself was forgotten")
	}
}

func TestHistogramPutsBoundsInTheLowerBucket(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, 500 * time.Microsecond, 501 * time.Microsecond, time.Second, time.Hour} {
		h.Observe(d)
	}
	count, sum, cumulative := h.Read()
	if count != 5 || sum < 3601 || sum > 3601.01 {
		t.Errorf("count %d, sum %v", count, sum)
	}
	if cumulative[0] != 2 || cumulative[1] != 3 || cumulative[len(cumulative)-1] != 4 {
		t.Errorf("cumulative %v", cumulative)
	}
}

func TestRecordIsJSONWhateverTheClientSends(t *testing.T) {
	hostile := "a\"b\\c\x00\x1f\x7f\xff\n</script>"
	for _, r := range []Record{
		{},
		{Protocol: "HTTP", Method: hostile, Host: hostile, Path: hostile, Status: 200, Cause: hostile},
		{Protocol: "HTTP", Failed: []FailedAttempt{{Endpoint: hostile, Cause: hostile}, {Status: 503, Duration: time.Second, Then: "x"}}},
		{Protocol: "TCP", Client: netip.MustParseAddrPort("[::1]:80"), Total: 1500 * time.Microsecond, BytesIn: 1 << 40},
	} {
		line := string(r.AppendJSON(nil))
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q is not one line", line)
		}
		if r.Protocol == "TCP" && (v["client"] != "[::1]:80" || v["total"] != 0.0015 || v["bytes_in"] != float64(1<<40)) {
			t.Errorf("got %v", v)
		}
		if _, ok := v["status"]; ok != (r.Protocol == "HTTP") {
			t.Errorf("status in a %q record: %v", r.Protocol, ok)
		}
	}
}
