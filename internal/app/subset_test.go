package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// The subset is the one that the proxy's id gives, for TCP as for HTTP; those
// outside of it have a reason, get nothing, and their connections stay.
func TestAProxyUsesItsSubsetOfAGroup(t *testing.T) {
	addrs := make([]string, 6)
	list := make([]string, 6)
	for i := range addrs {
		addrs[i] = newSpeaker(t, fmt.Sprint(i)).addr
		list[i] = fmt.Sprintf("%q", addrs[i])
	}
	file := func(id, subsetting string) string {
		return fmt.Sprintf(`
[admin]
listen = "127.0.0.1:0"
[proxy]
id = %q
[[group]]
name = "g"
endpoints = [%s]
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "s"
[[service]]
name = "s"
[[service.backend]]
group = "g"
%s`, id, strings.Join(list, ", "), subsetting)
	}
	p := run(t, file("proxy-7", "[service.subsetting]\nsubset_size = 2\n"))
	subset := func(id string) (want []string) {
		for _, i := range balance.Subset(balance.SubsetSeed(id), addrs, 2) {
			want = append(want, addrs[i])
		}
		return want
	}
	want := subset("proxy-7")
	picked := make(map[string]bool)
	for range 10 {
		picked[p.who("in")] = true
	}
	if len(picked) != 2 {
		t.Errorf("connections went to %v, want two endpoints", picked)
	}
	for _, e := range p.view("s").Groups[0].Endpoints {
		dropped := "SUBSET"
		if slices.Contains(want, e.ID) {
			dropped = ""
		}
		if i := slices.Index(addrs, e.ID); e.Dropped != dropped || picked[fmt.Sprint(i)] != (dropped == "") {
			t.Errorf("%s, the %dth: dropped %q, want %q; picked are %v", e.ID, i, e.Dropped, dropped, picked)
		}
	}

	// Written in another order it is the same; without a policy it is all of them.
	slices.Reverse(list)
	p.reload(file("proxy-7", "[service.subsetting]\nsubset_size = 2\n"))
	for _, e := range p.view("s").Groups[0].Endpoints {
		if (e.Dropped == "") != slices.Contains(want, e.ID) {
			t.Errorf("after a reload in another order, %s is dropped for %q", e.ID, e.Dropped)
		}
	}
	p.reload(file("proxy-7", "[service.subsetting]\npolicy = 'NONE'\n"))
	testkit.Eventually(t, func() bool {
		for range 12 {
			picked[p.who("in")] = true
		}
		return len(picked) == 6
	})
}
