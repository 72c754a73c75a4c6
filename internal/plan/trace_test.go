package plan_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/plan"
)

func TestTraceNamesTheKeysThatMove(t *testing.T) {
	prev, next := byHeader.load(t), byHeader.with(func(f *file) { f.endpoints = list(0, 7) }).load(t)
	traced, err := plan.Trace(prev, next, "web", strings.NewReader("anna\n\n  bert \r\ncleo\ndora\nemil\nfred\ngina\nhans\ninge\njens\nkarl\nlena\nmax\n"))
	if err != nil {
		t.Fatal(err)
	}
	if traced.Keys != 13 || traced.Moved != len(traced.Moves) || traced.Moved == 0 {
		t.Fatalf("%+v", traced)
	}
	lost := 0
	for _, m := range traced.Moves {
		if m.From == "10.0.0.7:80" {
			lost++
		}
		if m.From == m.To || m.To == "10.0.0.7:80" {
			t.Errorf("%+v", m)
		}
	}
	if lost == 0 {
		t.Errorf("nobody left the endpoint that goes: %+v", traced.Moves)
	}
}

// How a key is written depends on what the affinity takes of a client.
func TestTraceReadsAddresses(t *testing.T) {
	const anyHost = `listen = ":8080"`
	for name, c := range map[string]struct {
		kind, listener, line, bad string
	}{
		"source":                         {"CLIENT_IP_NO_DESTINATION", anyHost, "10.1.1.1", ""},
		"IPv6":                           {"CLIENT_IP_NO_DESTINATION", anyHost, "2001:db8::1", ""},
		"a port that does not count":     {"CLIENT_IP_NO_DESTINATION", anyHost, "10.1.1.1:99", ""},
		"both":                           {"CLIENT_IP", anyHost, "10.1.1.1 10.2.2.2", ""},
		"the only destination":           {"CLIENT_IP", "", "10.1.1.1", ""},
		"no destination":                 {"CLIENT_IP", anyHost, "10.1.1.1", "dialed"},
		"ports":                          {"CLIENT_IP_PORT_PROTO", anyHost, "10.1.1.1:4 10.2.2.2:8080", ""},
		"no port":                        {"CLIENT_IP_PORT_PROTO", "", "10.1.1.1", "has no port"},
		"no port of the destination":     {"CLIENT_IP_PORT_PROTO", "", "10.1.1.1:4 10.2.2.2", "has no port"},
		"a 5-tuple without affinity":     {"NONE", "", "10.1.1.1:4", ""},
		"a name":                         {"CLIENT_IP", "", "localhost", "is no address"},
		"too much":                       {"CLIENT_IP", "", "10.1.1.1 10.1.1.1 10.1.1.1", "neither an address nor two"},
		"a destination that is no place": {"CLIENT_IP", "", "10.1.1.1 nowhere", "is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			f := file{listener: c.listener, service: "locality_lb_policy = \"MAGLEV\"\nsession_affinity = \"" + c.kind + `"`}
			traced, err := plan.Trace(f.load(t), f.load(t), "", strings.NewReader("\n"+c.line+"\n"))
			switch {
			case c.bad == "" && (err != nil || traced.Keys != 1 || traced.Moved != 0):
				t.Errorf("%+v, %v", traced, err)
			case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad) || !strings.HasPrefix(err.Error(), "line 2: ")):
				t.Errorf("got %v, want %q", err, c.bad)
			}
		})
	}
}

func TestTraceSaysWhenKeysHaveNoPlace(t *testing.T) {
	const twice = "[[service]]\nname = \"more\"\nsession_affinity = \"CLIENT_IP\"\nendpoints = [\"10.1.0.1:80\"]\n"
	byIP := file{service: `session_affinity = "CLIENT_IP"`}
	two := byHeader.with(func(f *file) { f.rest = twice })
	for name, c := range map[string]struct {
		prev, next file
		service    string
		want       string
	}{
		"no such service": {byHeader, byHeader, "nobody", `the old file has no service "nobody"`},
		"gone":            {two, byHeader, "more", `the new file has no service "more"`},
		"no keys":         {file{}, file{}, "", "no service goes by keys"},
		"no keys after":   {byHeader, file{}, "web", "ROUND_ROBIN, does not go by keys"},
		"which":           {two, two, "", "more, web; say which"},
		"another kind":    {byHeader, byIP, "", "HEADER_FIELD to CLIENT_IP"},
		"another header":  {byHeader, byHeader.with(func(f *file) { f.hash = `http_header_name = "X-Other"` }), "", "X-User to X-Other"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Trace(c.prev.load(t), c.next.load(t), c.service, strings.NewReader("a\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := plan.Trace(byHeader.load(t), byHeader.load(t), "", strings.NewReader(strings.Repeat("x", 2<<20))); err == nil {
		t.Error("a line of two megabytes is a key")
	}
}

// Whatever a file of keys has in it, each line is a key that stays or moves, or the
// first that is none is named.
func FuzzTrace(f *testing.F) {
	for _, seed := range []string{"", "a\n", "10.0.0.1\n", "10.0.0.1:80 10.0.0.2:80\n\n[::1]:5 ::1", "::ffff:10.0.0.1%eth0 x y", "\x00\r\n\t ,", "\f"} {
		f.Add(seed)
	}
	pairs := [][2]*config.Config{}
	for _, kind := range []string{"HEADER_FIELD", "CLIENT_IP", "CLIENT_IP_PORT_PROTO", "CLIENT_IP_NO_DESTINATION"} {
		prev := file{service: "session_affinity = \"" + kind + `"`, hash: "maglev_table_size = 251\n"}
		if kind == "HEADER_FIELD" {
			prev.hash += byHeader.hash
		}
		next := prev.with(func(f *file) { f.endpoints = list(1, 6) })
		pairs = append(pairs, [2]*config.Config{prev.load(f), next.load(f)})
	}
	f.Fuzz(func(t *testing.T, keys string) {
		for _, p := range pairs {
			traced, err := plan.Trace(p[0], p[1], "", strings.NewReader(keys))
			if err != nil {
				if !strings.HasPrefix(err.Error(), "line ") {
					t.Errorf("an error without its place: %v", err)
				}
				continue
			}
			if traced.Moved != len(traced.Moves) || traced.Moved > traced.Keys || traced.Keys > strings.Count(keys, "\n")+1 {
				t.Errorf("%+v", traced)
			}
		}
	})
}
