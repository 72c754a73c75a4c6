package capacity_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
)

// of makes groups of 100 members each, named a, b, c…, by how many are healthy.
// A negative number is a group without a target of which that many are healthy.
func of(healthy ...int) []capacity.GroupHealth {
	var groups []capacity.GroupHealth
	for i, h := range healthy {
		groups = append(groups, capacity.GroupHealth{Name: string(rune('a' + i)), Usable: h >= 0, Healthy: max(h, -h), Members: 100})
	}
	return groups
}

// Rows of spec.md §3.4, T8 among them: what one look at the groups drains.
func TestAutoDrainCandidates(t *testing.T) {
	tests := []struct {
		name    string
		healthy []int
		drained string
	}{
		{"T8 one of three", []int{20, 100, 100}, "a"},
		{"T8 two of four", []int{20, 20, 100, 100}, ""},
		{"two of five", []int{20, 100, 0, 100, 100}, "ac"},
		{"one of two", []int{20, 100}, ""},
		{"the only one", []int{0}, ""},
		{"all", []int{0, 0, 0}, ""},
		{"exactly 25 percent", []int{25, 100, 100}, ""},
		{"just below 25 percent", []int{24, 100, 100}, "a"},
		{"a group without a target is no candidate", []int{-20, 100, 100}, ""},
		{"a group without a target counts among all", []int{20, 100, -100}, "a"},
		{"an ill group without a target does not count as ill", []int{20, -20, 100}, "a"},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a capacity.AutoDrain
			got, again := a.Observe(time.Unix(1, 0), of(tt.healthy...))
			if drainedNames(got) != tt.drained || again != 0 {
				t.Errorf("drained %q, look again in %v; want %q", drainedNames(got), again, tt.drained)
			}
		})
	}
}

func drainedNames(drained []bool) string {
	names := ""
	for i, d := range drained {
		if d {
			names += string(rune('a' + i))
		}
	}
	return names
}

// Rows of spec.md §3.4 that take time.
func TestAutoDrainOverTime(t *testing.T) {
	type look struct {
		at      int // seconds
		healthy []int
		drained string
		again   time.Duration
	}
	tests := []struct {
		name  string
		looks []look
	}{
		{"T8 recovery at 35 percent takes 60 s", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{10, []int{35, 100, 100}, "a", 60 * time.Second},
			{69, []int{35, 100, 100}, "a", 1 * time.Second},
			{70, []int{35, 100, 100}, "", 0},
		}},
		{"34 percent is not enough", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{10, []int{34, 100, 100}, "a", 0},
			{1000, []int{34, 100, 100}, "a", 0},
		}},
		{"a relapse begins the 60 s anew", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{10, []int{50, 100, 100}, "a", 60 * time.Second},
			{60, []int{34, 100, 100}, "a", 0},
			{61, []int{50, 100, 100}, "a", 60 * time.Second},
			{70, []int{50, 100, 100}, "a", 51 * time.Second},
			{121, []int{50, 100, 100}, "", 0},
		}},
		{"drained groups stay so when too many are ill", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{1, []int{20, 20, 100}, "a", 0},
		}},
		{"and recover while too many others are ill", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{1, []int{50, 0, 0}, "a", 60 * time.Second},
			{61, []int{50, 0, 0}, "", 0},
		}},
		{"the ratio counts who is ill, not who is drained", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{1, []int{30, 20, 100}, "ab", 0},
		}},
		{"the next to recover is waited for", []look{
			{0, []int{20, 20, 100, 100, 100}, "ab", 0},
			{10, []int{50, 20, 100, 100, 100}, "ab", 60 * time.Second},
			{30, []int{50, 50, 100, 100, 100}, "ab", 40 * time.Second},
			{70, []int{50, 50, 100, 100, 100}, "b", 20 * time.Second},
			{90, []int{50, 50, 100, 100, 100}, "", 0},
		}},
		{"losing its target does not free a group", []look{
			{0, []int{20, 100, 100}, "a", 0},
			{1, []int{-20, 100, 100}, "a", 0},
		}},
		{"a group that left comes back as a new one", []look{
			{0, []int{20, 20, 100, 100, 100}, "ab", 0},
			{1, []int{20}, "a", 0},
			{2, []int{20, 30, 100, 100, 100}, "a", 0},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a capacity.AutoDrain
			for _, l := range tt.looks {
				got, again := a.Observe(time.Unix(int64(l.at), 0), of(l.healthy...))
				if drainedNames(got) != l.drained || again != l.again {
					t.Errorf("at %ds: drained %q, look again in %v; want %q, %v", l.at, drainedNames(got), again, l.drained, l.again)
				}
			}
		})
	}
}

func TestAutoDrainDoesNotCareForOrder(t *testing.T) {
	groups := of(20, 100, 100)
	var a capacity.AutoDrain
	a.Observe(time.Unix(0, 0), groups)
	slices.Reverse(groups)
	if got, _ := a.Observe(time.Unix(1, 0), groups); fmt.Sprint(got) != "[false false true]" {
		t.Errorf("drained %v", got)
	}
}
