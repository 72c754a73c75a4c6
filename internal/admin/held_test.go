package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

// The keys are a contract, spelled out here so that a renamed field fails.
func TestWhatIsLeftIsShownOfWhoTakesNothingNew(t *testing.T) {
	now := time.Now()
	until := now.Add(time.Minute)
	var s *site
	s = serve(t, admin.Options{Services: func() []admin.Service {
		return []admin.Service{{Status: s.web.Status(), Held: []admin.Held{
			{ID: "big", Group: "eu-a", Active: 2, Bytes: 1234, Oldest: now.Add(-time.Hour), Until: until},
			{ID: "gone", Addr: "10.0.0.9:80", Group: "eu-b", Removed: now.Add(-time.Minute), Active: 3, Bytes: 5, Oldest: now.Add(-2 * time.Hour)},
			{ID: "big", Addr: "10.0.0.1:80", Group: "eu-a", Removed: now, Active: 1, Until: until},
		}}}
	}})
	var v struct {
		Groups  []struct{ Endpoints []map[string]any }
		Removed []map[string]any
	}
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/services/web", "").want(t, 200).body), &v); err != nil {
		t.Fatal(err)
	}
	aged := func(m map[string]any, key string, age float64) {
		t.Helper()
		if got, _ := m[key].(float64); got < age || got > age+60 {
			t.Errorf("%s is %v, want about %v", key, m[key], age)
		}
		delete(m, key)
	}
	left, _ := v.Groups[0].Endpoints[0]["connections"].(map[string]any)
	aged(left, "oldest_seconds", 3600)
	want(t, left, map[string]any{"active": 2.0, "bytes": 1234.0, "until": until.Format(time.RFC3339Nano)})
	if _, there := v.Groups[0].Endpoints[1]["connections"]; there {
		t.Error("one that is in use has them, too")
	}
	if len(v.Removed) != 2 {
		t.Fatalf("removed are %v", v.Removed)
	}
	gone, moved := v.Removed[0], v.Removed[1]
	aged(gone, "oldest_seconds", 7200)
	want(t, gone, map[string]any{"id": "gone", "address": "10.0.0.9:80", "group": "eu-b", "active": 3.0, "bytes": 5.0,
		"since": now.Add(-time.Minute).Format(time.RFC3339Nano)})
	want(t, moved, map[string]any{"id": "big", "address": "10.0.0.1:80", "group": "eu-a", "active": 1.0, "bytes": 0.0, "oldest_seconds": 0.0,
		"since": now.Format(time.RFC3339Nano), "until": until.Format(time.RFC3339Nano)})
}

func want(t *testing.T, got, want map[string]any) {
	t.Helper()
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

func TestOperatorCutsWhatIsLeft(t *testing.T) {
	var cut []string
	removed := []admin.Held{{ID: "gone", Addr: "10.0.0.9:80", Removed: time.Now(), Active: 3}}
	var s *site
	s = serve(t, admin.Options{
		Services: func() []admin.Service { return []admin.Service{{Status: s.web.Status(), Held: removed}} },
		CutNow: func(service, endpoint string) bool {
			st := s.web.Status()
			out := endpoint == "gone" || endpoint == "big" && st.Groups[0].Endpoints[0].Admin != lb.Ready
			if out {
				cut = append(cut, service+"/"+endpoint)
			}
			return out
		},
	})
	const path = "/api/v1/services/web/endpoints/"
	if a := s.do("POST", path+"big", `{"cut":true}`).want(t, 409); !strings.Contains(a.body, "nothing is cut") {
		t.Error(a.body)
	}
	s.do("POST", path+"big", `{"admin":"READY","cut":true}`).want(t, 400)
	s.do("POST", path+"big", `{"cut":false}`).want(t, 400)
	s.do("POST", path+"nobody", `{"admin":"DRAIN","cut":true}`).want(t, 404)
	s.do("POST", path+"nobody", `{"cut":true}`).want(t, 409)
	if cut != nil {
		t.Fatalf("cut were %v", cut)
	}
	if a := s.do("POST", path+"big", `{"admin":"DRAIN","cut":true}`).want(t, 200); !strings.Contains(a.body, `"admin":"DRAIN"`) {
		t.Error(a.body)
	}
	s.do("POST", path+"big", `{"cut":true}`).want(t, 200)
	if a := s.do("POST", path+"gone", `{"cut":true}`).want(t, 200); !strings.Contains(a.body, `"active":3`) {
		t.Error(a.body)
	}
	if got := strings.Join(cut, " "); got != "web/big web/big web/gone" {
		t.Errorf("cut were %s", got)
	}
	serve(t, admin.Options{}).do("POST", path+"big", `{"cut":true}`).want(t, 501)
}
