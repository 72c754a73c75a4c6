package plan_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/plan"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// A file is the parts of one that the tests change.
type file struct {
	top       string // sections before the listener
	listener  string // more keys of it
	service   string // more keys of the service "web"
	endpoints string
	hash      string // [service.consistent_hash]
	rest      string
}

func (f file) text() string {
	return f.top + "\n[[listener]]\nname = \"in\"\nservice = \"web\"\n" + or(f.listener, `listen = "127.0.0.1:8080"`) +
		"\n[[service]]\nname = \"web\"\nendpoints = [" + or(f.endpoints, eight) + "]\n" + f.service +
		"\n[service.consistent_hash]\n" + f.hash + "\n" + f.rest
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (f file) load(t testing.TB) *config.Config { t.Helper(); return parse(t, f.text()) }

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

func compare(t testing.TB, prev, next *config.Config) *plan.Plan {
	t.Helper()
	p, err := plan.Compare(prev, next)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// list writes endpoints of 10.0.0.0/24.
func list(from, to int) string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%q", fmt.Sprintf("10.0.0.%d:80", i)))
	}
	return strings.Join(all, ", ")
}

var eight = list(0, 8)

// byHeader is a service whose keys are a header's values.
var byHeader = file{service: `session_affinity = "HEADER_FIELD"`, hash: `http_header_name = "X-User"`}

func (f file) with(change func(*file)) file { change(&f); return f }

// Each kind of change, and how much of the key space it moves: about as much as it
// must, nothing, or as independent tables do (of eight even endpoints 7/8).
func TestEachKindOfChangeMovesWhatItMust(t *testing.T) {
	const seven = 7.0 / 8
	byIP := file{service: `session_affinity = "CLIENT_IP"`}
	byCookie := file{service: `session_affinity = "HTTP_COOKIE"`, hash: `http_cookie = { name = "sid" }`}
	byReports := byHeader.with(func(f *file) {
		f.service += "\nlocality_lb_policy = \"WEIGHTED_MAGLEV\""
		f.rest = "[service.health_check]\ntype = \"HTTP\""
	})
	for name, c := range map[string]struct {
		prev, next file
		low, high  float64
		why        string
	}{
		"nothing":                 {byHeader, byHeader, 0, 0, ""},
		"the order of endpoints":  {byHeader, byHeader.with(func(f *file) { f.endpoints = list(4, 8) + ", " + list(0, 4) }), 0, 0, ""},
		"an address, with its ID": {byHeader.with(func(f *file) { f.endpoints = `{ address = "10.0.0.1:80", id = "a" }, "10.0.0.2:80"` }), byHeader.with(func(f *file) { f.endpoints = `{ address = "10.0.0.9:80", id = "a" }, "10.0.0.2:80"` }), 0, 0, ""},
		"an endpoint comes":       {byHeader, byHeader.with(func(f *file) { f.endpoints = list(0, 9) }), 1.0 / 9, 1.0/9 + .04, ""},
		"an endpoint goes":        {byHeader, byHeader.with(func(f *file) { f.endpoints = list(0, 7) }), 1.0 / 8, 1.0/8 + .04, ""},
		"all endpoints go":        {byHeader, byHeader.with(func(f *file) { f.endpoints = list(10, 18) }), 1, 1, ""},
		"a weight":                {byHeader, byHeader.with(func(f *file) { f.endpoints = list(0, 7) + `, { address = "10.0.0.7:80", weight = 2 }` }), 2.0/9 - 1.0/8, .15, ""},
		"MAGLEV to RING_HASH":     {byHeader, byHeader.with(func(f *file) { f.service += "\nlocality_lb_policy = \"RING_HASH\"" }), seven - .01, seven + .01, ""},
		"the size of the table":   {byHeader, byHeader.with(func(f *file) { f.hash += "\nmaglev_table_size = 5003" }), seven - .001, seven + .001, ""},
		"the size of the ring": {byHeader.with(func(f *file) { f.service += "\nlocality_lb_policy = \"RING_HASH\"" }), byHeader.with(func(f *file) {
			f.service += "\nlocality_lb_policy = \"RING_HASH\""
			f.hash += "\nminimum_ring_size = 4096"
		}), .2, seven, ""},
		"hash_seed":                 {byHeader, byHeader.with(func(f *file) { f.top = "[proxy]\nhash_seed = 7" }), seven - .001, seven + .001, "hash_seed"},
		"the kind":                  {byHeader, byIP, seven - .001, seven + .001, "HEADER_FIELD to CLIENT_IP"},
		"the header":                {byHeader, byHeader.with(func(f *file) { f.hash = `http_header_name = "X-Other"` }), seven - .001, seven + .001, "X-User to X-Other"},
		"the header's case":         {byHeader, byHeader.with(func(f *file) { f.hash = `http_header_name = "x-USER"` }), 0, 0, ""},
		"the cookie":                {byCookie, byCookie.with(func(f *file) { f.hash = `http_cookie = { name = "other" }` }), seven - .001, seven + .001, "sid to other"},
		"the cookie's path":         {byCookie, byCookie.with(func(f *file) { f.hash = `http_cookie = { name = "sid", path = "/a" }` }), 0, 0, ""},
		"keys to no keys":           {byHeader, file{service: `locality_lb_policy = "RANDOM"`}, seven - .001, seven + .001, "RANDOM keeps no client"},
		"no keys to keys":           {file{}, byHeader, 0, 0, "ROUND_ROBIN keeps no client"},
		"endpoints without keys":    {file{}, file{endpoints: list(3, 5)}, 0, 0, "ROUND_ROBIN keeps no client"},
		"the dialed address":        {byIP, byIP.with(func(f *file) { f.listener = `listen = "127.0.0.2:8080"` }), seven - .001, seven + .001, "in the keys"},
		"a port that is no part":    {byIP, byIP.with(func(f *file) { f.listener = `listen = "127.0.0.1:8081"` }), 0, 0, ""},
		"a header's dialed address": {byHeader, byHeader.with(func(f *file) { f.listener = `listen = "127.0.0.2:8080"` }), 0, 0, ""},
		"whose word is believed":    {byIP, byIP.with(func(f *file) { f.listener = "listen = \"127.0.0.1:8080\"\ntrusted_proxies = [\"10.0.0.0/8\"]" }), seven - .001, seven + .001, "who its clients are"},
		"reported weights":          {byReports, byReports.with(func(f *file) { f.endpoints = list(0, 9) }), 1.0 / 9, 1.0/9 + .04, "not by those that endpoints report"},
		"a timeout":                 {byHeader, byHeader.with(func(f *file) { f.service += "\ntimeout = \"7s\"" }), 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := compare(t, c.prev.load(t), c.next.load(t)).Services[0]
			if s.Moved < c.low || s.Moved > c.high {
				t.Errorf("moved is %v, want %v to %v", s.Moved, c.low, c.high)
			}
			if !strings.Contains(s.Why, c.why) || c.why == "" && s.Why != "" {
				t.Errorf("why is %q, want %q", s.Why, c.why)
			}
		})
	}
}

func TestAServiceOfOneFileOnly(t *testing.T) {
	const more = "[[service]]\nname = \"more\"\nendpoints = [\"10.1.0.1:80\"]\n[[listener]]\nlisten = \":2\"\nservice = \"more\"\n"
	one, two := byHeader.load(t), byHeader.with(func(f *file) { f.rest = more }).load(t)
	bound := byHeader.with(func(f *file) {
		f.rest = strings.Replace(more, "name = \"more\"", "name = \"more\"\nsession_affinity = \"CLIENT_IP\"", 1)
	}).load(t)
	for name, c := range map[string]struct {
		prev, next *config.Config
		verb       plan.Verb
		moved      float64
	}{
		"comes": {one, two, plan.Comes, 0}, "comes with keys": {one, bound, plan.Comes, 0},
		"goes": {two, one, plan.Goes, 0}, "goes with its keys": {bound, one, plan.Goes, 1},
	} {
		p := compare(t, c.prev, c.next)
		if s := p.Services[0]; len(p.Services) != 2 || s.Name != "more" || s.Verb != c.verb || s.Moved != c.moved || len(s.Gained)+len(s.Lost) != 1 {
			t.Errorf("%s: %+v", name, p.Services)
		}
		if s := p.Services[1]; s.Verb != plan.Stays || s.Moved != 0 {
			t.Errorf("%s: the other service: %+v", name, s)
		}
	}
}

func TestEndpointsByID(t *testing.T) {
	prev := file{endpoints: `"10.0.0.1:80", { address = "10.0.0.2:80", id = "b", weight = 2 }, "10.0.0.3:80"`}
	next := file{endpoints: `"10.0.0.1:80", { address = "10.0.0.9:80", id = "b", weight = 3, max = 5 }, { address = "10.0.0.4:80", weight = 4 }`}
	s := compare(t, prev.load(t), next.load(t)).Services[0]
	if len(s.Gained) != 1 || s.Gained[0] != (plan.Endpoint{ID: "10.0.0.4:80", Address: "10.0.0.4:80", Share: 0.5}) {
		t.Errorf("gained: %+v", s.Gained)
	}
	if len(s.Lost) != 1 || s.Lost[0] != (plan.Endpoint{ID: "10.0.0.3:80", Address: "10.0.0.3:80", Share: 0.25}) {
		t.Errorf("lost: %+v", s.Lost)
	}
	want := []string{"address 10.0.0.2:80 → 10.0.0.9:80", "weight 2 → 3", "max none → 5"}
	if len(s.Changed) != 1 || s.Changed[0].ID != "b" || !slices.Equal(s.Changed[0].Changes, want) {
		t.Errorf("changed: %+v", s.Changed)
	}
}

func TestListenersThatOpenCloseAndMove(t *testing.T) {
	listener := func(name, listen string) string {
		return fmt.Sprintf("[[listener]]\nname = %q\nlisten = %q\nservice = \"web\"\n", name, listen)
	}
	prev := file{rest: listener("gone", ":1") + listener("moves", ":2") + listener("stays", ":3")}
	next := file{rest: listener("stays", ":3") + listener("moves", ":4") + listener("new", ":5")}
	p := compare(t, prev.load(t), next.load(t))
	want := []plan.Listener{
		{Name: "gone", Verb: plan.Goes, Before: ":1"},
		{Name: "moves", Verb: plan.Changes, Before: ":2", After: ":4"},
		{Name: "new", Verb: plan.Comes, After: ":5"},
	}
	if !slices.Equal(p.Listeners, want) || len(p.Restart) > 0 {
		t.Errorf("%+v", p)
	}
}

func TestSettingsAreNamedAsInTheFile(t *testing.T) {
	prev := file{rest: "[service.health_check]\ntype = \"TCP\"\ninterval = \"1s\"\n"}
	prev.rest = strings.ReplaceAll(prev.rest, "interval", "check_interval")
	next := file{
		top: "[log]\nlevel = \"debug\"", listener: "listen = \"127.0.0.1:8080\"\nclient_timeout = \"7s\"",
		service: `timeout = "9s"`, rest: "[service.health_check]\ntype = \"TCP\"\ncheck_interval = \"2s\"\n",
	}
	p := compare(t, prev.load(t), next.load(t))
	if got := strings.Join(p.Settings, " "); got != "log.level listener.in.client_timeout" {
		t.Errorf("settings: %s", got)
	}
	if got := strings.Join(p.Services[0].Settings, " "); got != "timeout health_check.check_interval health_check.timeout" {
		t.Errorf("settings of the service: %s", got)
	}
	grouped := func(keys string) *config.Config {
		return file{rest: "[[group]]\nname = \"g\"\nendpoints = [\"10.9.0.1:80\"]\n" + keys}.load(t)
	}
	if got := compare(t, grouped(`zone = "a"`), grouped(`zone = "b"`)).Settings; !slices.Equal(got, []string{"group.g.zone"}) {
		t.Errorf("settings of a group: %s", got)
	}
	if p := compare(t, prev.load(t), prev.load(t)); !p.Empty() {
		t.Errorf("a file differs from itself: %+v", p)
	}
}

// The part that moves is the one that random values of the header see.
func TestMovedIsWhatRandomKeysSee(t *testing.T) {
	const n = 50_000
	var values strings.Builder
	for i := range n {
		fmt.Fprintf(&values, "user-%d\n", i)
	}
	for name, next := range map[string]file{
		"an endpoint comes": byHeader.with(func(f *file) { f.endpoints = list(0, 9) }),
		"hash_seed":         byHeader.with(func(f *file) { f.top = "[proxy]\nhash_seed = 7" }),
		"RING_HASH":         byHeader.with(func(f *file) { f.service += "\nlocality_lb_policy = \"RING_HASH\"" }),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := byHeader.load(t), next.load(t)
			traced, err := plan.Trace(a, b, "", strings.NewReader(values.String()))
			if err != nil {
				t.Fatal(err)
			}
			moved := compare(t, a, b).Services[0].Moved
			if got := float64(traced.Moved) / n; traced.Keys != n || math.Abs(got-moved) > 5*math.Sqrt(moved*(1-moved)/n) {
				t.Errorf("%v of the keys move, and %v of %d do", moved, got, traced.Keys)
			}
		})
	}
}
