package h1_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

func TestHopsAreTheEntriesOfOurName(t *testing.T) {
	for _, c := range []struct {
		fields string
		hops   int
	}{
		{"", 0},
		{"Via: 1.1 spillway", 1},
		{"VIA: 1.1 SpillWay", 1},
		{"Via: HTTP/1.1 spillway", 1},
		{"Via: 1.0\tspillway", 1},
		{"Via: 1.1  spillway  (of the edge)", 1},
		{"Via: 1.1 spillway, 1.0 other, 2 spillway", 2},
		{"Via: 1.1 spillway,1.1 spillway,,1.1 spillway,", 3},
		{"Via: 1.1 spillway\r\nVia: 1.1 spillway", 2},
		{"Via: 1.1 spillway:8080, 1.1 spillway.example, 1.1 myspillway", 0},
		{"Via: spillway", 0},
		{"Via: 1.1", 0},
		{"Via:", 0},
		{"Via: 1.1 other (1.1 spillway)", 0},
		{"X-Via: 1.1 spillway", 0},
		{"Connection: via\r\nVia: 1.1 spillway", 1},
		{"Via: " + strings.Repeat("1.1 spillway, ", 1000), 1000},
	} {
		head := "GET / HTTP/1.1\r\nHost: a\r\n"
		if c.fields != "" {
			head += c.fields + "\r\n"
		}
		var r h1.Request
		if _, err := r.Parse([]byte(head+"\r\n"), h1.Limits{}); err != nil {
			t.Errorf("%.60q: %v", c.fields, err)
		} else if got := r.Hops(); got != c.hops {
			t.Errorf("%.60q: %d hops, want %d", c.fields, got, c.hops)
		}
	}
}
