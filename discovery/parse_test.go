package discovery_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/discovery"
)

func TestAFileIsAListOrAnObjectWithOne(t *testing.T) {
	want := []discovery.Endpoint{
		{ID: "10.0.0.1:80", Addr: "10.0.0.1:80", Weight: 1},
		{ID: "big", Addr: "[fd00::1]:80", Weight: 2, Max: 100},
		{ID: "unix:/run/a.sock", Addr: "unix:/run/a.sock", Weight: 0},
		{ID: "web-1.internal", Addr: "web-1.internal", Weight: 1},
	}
	const list = `["10.0.0.1:80", {"address": "[fd00::1]:80", "id": "big", "weight": 2, "max": 100},
		{"weight": 0, "address": "unix:/run/a.sock"}, "web-1.internal"]`
	for _, text := range []string{list, `{"endpoints": ` + list + "}\n", " \r\n\t" + list} {
		got, err := discovery.ParseFile([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, %v", text, got, err)
		}
	}
}

func TestEveryMistakeIsTheFileWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "1: the file ends too soon",
		"  \n\n":                              "3: the file ends too soon",
		"null":                                "1: must be",
		`"10.0.0.1:80"`:                       "1: must be",
		"{\"endpoints\":\n[\n\"10.0.0.1:80\"": "3: the file ends too soon",
		"[\n\"10.0.0.1:80\",\n]":              "3: invalid character",
		"[\n\"10.0.0.1:80\"\n] []":            "3: something follows",
		"[\n\n7]":                             "3: an endpoint is an address or an object",
		"[[]]":                                "1: an endpoint is an address or an object",
		"[\n{\"address\":\"10.0.0.1:80\",\n\"wieght\":2}]": `3: unknown key "wieght"`,
		`{"endpoint": []}`:                                       `1: unknown key "endpoint"`,
		"{\"endpoints\": [],\n\"endpoints\": []}":                `2: "endpoints" is there twice`,
		`{"endpoints": {}}`:                                      `1: "endpoints" must be an array`,
		`[{"address": "10.0.0.1:80", "address": "10.0.0.2:80"}]`: `"address" is there twice`,
		"[\n{}]":                               "2: an endpoint needs an address",
		`[""]`:                                 "an endpoint needs an address",
		`[{"address": 5}]`:                     "address: must be a string",
		`["http://10.0.0.1:80"]`:               "is not host:port",
		`["10.0.0.1:0"]`:                       `"0" is not a port`,
		`["10.0.0.1:99999"]`:                   `"99999" is not a port`,
		`["10.0.0.999:80"]`:                    "is not a valid IP address",
		`["0.0.0.0:80"]`:                       "every address of a machine",
		`["a b:80"]`:                           "neither an IP address nor the name of a host",
		`["unix:"]`:                            "is not the path",
		`[{"address": "a:1", "id": "a b"}]`:    "id:",
		`[{"address": "a:1", "weight": -1}]`:   "weight: must be an integer from 0 to 1000",
		`[{"address": "a:1", "weight": 1001}]`: "weight: must be an integer from 0 to 1000",
		`[{"address": "a:1", "weight": 1.5}]`:  "weight: must be an integer",
		`[{"address": "a:1", "max": "x"}]`:     "max: must be an integer",
		"[\n\"a:1\",\n\"a:1\"]":                `3: there is an endpoint "a:1" already on line 2`,
		"[\"a:1\",\n{\"address\":\"b:1\",\"id\":\"a:1\"}]": `2: there is an endpoint "a:1" already on line 1`,
		"[\"\xff:1\"]":             "not UTF-8",
		strings.Repeat("[", 1<<20): "an endpoint is",
	} {
		_, err := discovery.ParseFile([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, discovery.ErrNobody) {
			t.Errorf("%.80q: %v, want %s", text, err, want)
		}
	}
}

func TestAFileWithoutAnybodyForTrafficNamesNobody(t *testing.T) {
	for _, text := range []string{"[]", `{"endpoints": []}`, `{}`, `[{"address": "a:1", "weight": 0}]`} {
		if got, err := discovery.ParseFile([]byte(text)); !errors.Is(err, discovery.ErrNobody) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(`{"endpoints": ["10.0.0.1:80", {"address": "10.0.0.2:80", "id": "b", "weight": 2, "max": 1}]}`))
	f.Add([]byte(`["a", "[fd00::1]:80", "unix:/x"]`))
	f.Add([]byte("[\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := discovery.ParseFile(data)
		if err != nil {
			if all != nil {
				t.Error("endpoints beside an error")
			}
			return
		}
		seen := map[string]bool{}
		for _, e := range all {
			if e.Addr == "" || e.ID == "" || seen[e.ID] || e.Weight > 1000 || e.Max < 0 {
				t.Errorf("endpoint %+v", e)
			}
			seen[e.ID] = true
		}
	})
}
