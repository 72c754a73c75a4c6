package health_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/health"
)

func TestWeightsThatEndpointsReport(t *testing.T) {
	valid := func(n uint32) health.Weight { return health.Weight{State: health.WeightValid, Value: n} }
	adjusted := func(n uint32, text string) health.Weight {
		return health.Weight{State: health.WeightValid, Value: n, Text: text}
	}
	invalid := func(text string) health.Weight { return health.Weight{State: health.WeightInvalid, Text: text} }
	for _, tc := range []struct {
		values []string
		want   health.Weight
	}{
		{nil, health.Weight{State: health.WeightMissing}},
		{[]string{"0"}, valid(0)},
		{[]string{"1"}, valid(1)},
		{[]string{"999"}, valid(999)},
		{[]string{"1000"}, valid(1000)},
		{[]string{"0042"}, valid(42)},
		{[]string{"5.0"}, valid(5)},
		{[]string{"1e2"}, valid(100)},
		{[]string{"1001"}, adjusted(1000, "1001")},
		{[]string{"4294967297"}, adjusted(1000, "4294967297")},
		{[]string{"3e38"}, adjusted(1000, "3e38")},
		{[]string{"2.5"}, adjusted(3, "2.5")},
		{[]string{"2.4"}, adjusted(2, "2.4")},
		{[]string{"0.01"}, adjusted(1, "0.01")}, // not 0, which asks for no traffic at all
		{[]string{"0.0"}, valid(0)},
		{[]string{""}, invalid("")},
		{[]string{"-1"}, invalid("-1")},
		{[]string{"-0"}, invalid("-0")},
		{[]string{"+1"}, invalid("+1")},
		{[]string{"NaN"}, invalid("NaN")},
		{[]string{"Inf"}, invalid("Inf")},
		{[]string{"4e38"}, invalid("4e38")},
		{[]string{"0x10"}, invalid("0x10")},
		{[]string{"1_0"}, invalid("1_0")},
		{[]string{"5, 6"}, invalid("5, 6")},
		{[]string{"5,"}, invalid("5,")},
		{[]string{"5;q=1"}, invalid("5;q=1")},
		{[]string{"5", "5"}, invalid("5, 5")},
		{[]string{"ten"}, invalid("ten")},
		{[]string{strings.Repeat("x", 5000)}, invalid(strings.Repeat("x", 40))},
	} {
		if got := health.ParseWeight(tc.values); got != tc.want {
			t.Errorf("%.60q: got %+v, want %+v", tc.values, got, tc.want)
		}
	}
}

// A reply is one even where the check fails for it; what is not a whole reply says nothing of a weight.
func TestWeightComesWithEveryReply(t *testing.T) {
	const field = health.WeightHeader + ": 7\r\n"
	seven, missing := health.Weight{State: health.WeightValid, Value: 7}, health.Weight{State: health.WeightMissing}
	for _, tc := range []struct {
		name, raw string
		ok        bool
		want      health.Weight
	}{
		{"200", "HTTP/1.1 200 OK\r\n" + field + "Content-Length: 5\r\n\r\nready", true, seven},
		{"in lower case and with blanks", "HTTP/1.1 200 OK\r\nx-load-balancing-endpoint-weight:  7 \r\nContent-Length: 5\r\n\r\nready", true, seven},
		{"without", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", true, missing},
		{"503", "HTTP/1.1 503 No\r\n" + field + "Content-Length: 0\r\n\r\n", false, seven},
		{"503 without", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false, missing},
		{"wrong body", "HTTP/1.1 200 OK\r\n" + field + "Content-Length: 2\r\n\r\nno", false, seven},
		{"in an interim response only", "HTTP/1.1 103 Early\r\n" + field + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", true, missing},
		{"in a trailer only", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n0\r\n" + field + "\r\n", true, missing},
		{"body cut short", "HTTP/1.1 200 OK\r\n" + field + "Content-Length: 50\r\n\r\nready", false, health.Weight{}},
		{"head cut short", "HTTP/1.1 200 OK\r\n" + field, false, health.Weight{}},
		{"not HTTP", "SSH-2.0\r\n", false, health.Weight{}},
		{"nothing", "", false, health.Weight{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := tcpEndpoint(t, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, tc.raw)
			})
			r := check(t, health.Check{Type: health.TypeHTTP, Response: "ready"}, addr)
			if r.OK != tc.ok || !reflect.DeepEqual(r.Weight, tc.want) {
				t.Errorf("OK %v, reports %+v; want %v, %+v (%s)", r.OK, r.Weight, tc.ok, tc.want, r.Reason)
			}
		})
	}
	if r := check(t, health.Check{}, tcpEndpoint(t, untilGone)); r.Weight != (health.Weight{}) {
		t.Errorf("a TCP check reports %+v", r.Weight)
	}
}
