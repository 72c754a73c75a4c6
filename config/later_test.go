package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// testdata/bad/catalogue.toml has every key of the format. None of them may be called unknown.
func TestNoKeyOfTheFormatIsUnknown(t *testing.T) {
	data, err := os.ReadFile("testdata/bad/catalogue.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("catalogue.toml", data)
	if err == nil || strings.Contains(err.Error(), "unknown") {
		t.Error(err)
	}
}

func TestNearestFindsTheWordThatWasMeant(t *testing.T) {
	known := keysOf(reflect.TypeFor[HealthCheck]())
	for word, want := range map[string]string{
		"checkIntervalSec": "check_interval", "check-interval": "check_interval", "TIMEOUT": "timeout",
		"timeout_sec": "timeout", "tiemout": "timeout", "helthy_treshold": "healthy_threshold",
		"unhealthyThreshold": "unhealthy_threshold", "prot": "port", "colour": "", "": "", "x": "",
		strings.Repeat("x", 1<<20): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("%.40q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistanceIsSymmetricAndCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "xbc", 1}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%q, %q: %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
