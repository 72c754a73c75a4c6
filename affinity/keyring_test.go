package affinity_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

func TestKeysAreReadFromBase64(t *testing.T) {
	want := affinity.NewKey()
	text := base64.StdEncoding.EncodeToString(want[:])
	if got, err := affinity.ParseKey(text); err != nil || got != want {
		t.Error(err)
	}
	for _, bad := range []string{
		"", text[:40], text + "AAAA", strings.TrimRight(text, "="), strings.Repeat("*", 44),
		base64.StdEncoding.EncodeToString(want[:31]), base64.StdEncoding.EncodeToString(append(want[:], 0)),
	} {
		if _, err := affinity.ParseKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAKeyIsNotTold(t *testing.T) {
	k := affinity.NewKey()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, k); len(s) > len(`"key 01234567"`) || !strings.Contains(s, "key ") {
			t.Errorf("%s: %s", verb, s)
		}
	}
	if affinity.NewKey() == k {
		t.Error("two random keys are the same")
	}
}

func TestAKeyringNeedsKeysThatDiffer(t *testing.T) {
	a, b := affinity.NewKey(), affinity.NewKey()
	for name, keys := range map[string][]affinity.Key{"none": nil, "one twice": {a, b, a}} {
		if _, err := affinity.NewKeyring(keys...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAKeyringCanBeHandedOver: the process that takes over opens what this one has sealed.
func TestAKeyringCanBeHandedOver(t *testing.T) {
	old := &affinity.Rule{Kind: affinity.StrongCookie, Service: "web"}
	old.Keys, _ = affinity.NewKeyring(affinity.NewKey(), affinity.NewKey())
	keys := old.Keys.Keys()
	handed, err := affinity.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	next := *old
	next.Keys = handed
	if s := opened(&next, now, "SPILLWAY="+sealed(t, old, "a", now)); s.State != affinity.SessionValid {
		t.Error(s.State)
	}
	if !handed.Equal(old.Keys) || handed.Equal(ring(t, 1)) || handed.Equal(nil) || !(*affinity.Keyring)(nil).Equal(nil) {
		t.Error("rings are compared badly")
	}
	keys[0] = affinity.Key{}
	if s := opened(&next, now, "SPILLWAY="+sealed(t, old, "a", now)); s.State != affinity.SessionValid {
		t.Error("the ring shares memory with the list of its keys")
	}
}

// TestKeysRotate is how an operator replaces a key with no session lost: the new one opens everywhere before it seals
// anywhere, and the old one goes when no cookie of it is left.
func TestKeysRotate(t *testing.T) {
	stages := []*affinity.Rule{strong(t, "web", time.Hour, 1), strong(t, "web", time.Hour, 1, 2), strong(t, "web", time.Hour, 2, 1), strong(t, "web", time.Hour, 2)}
	for i, sealing := range stages[:3] {
		value := "SPILLWAY=" + sealed(t, sealing, "a", now)
		for _, opening := range []*affinity.Rule{sealing, stages[i+1]} { // a fleet is not reloaded at once
			if s := opened(opening, now, value); s.State != affinity.SessionValid {
				t.Errorf("stage %d: %v", i, s.State)
			}
		}
	}
	if s := opened(stages[3], now, "SPILLWAY="+sealed(t, stages[0], "a", now)); s.State != affinity.SessionUnknownKey {
		t.Errorf("a key that is gone opens: %v", s.State)
	}
}
