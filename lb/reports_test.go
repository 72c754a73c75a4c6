package lb

import (
	"fmt"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// reporting returns a balancer of n healthy endpoints that have not reported yet,
// how to report for one, and how many pickers were built so far.
func reporting(t *testing.T, n int) (b *Balancer, report func(i int, w health.Weight), builds *int) {
	t.Helper()
	check := health.Check{Type: health.TypeHTTP}.WithDefaults()
	builds = new(int)
	o := Options{HealthCheck: &check, ReportedWeights: true, Policy: func(c []balance.Candidate) balance.Picker {
		*builds++
		return balance.WeightedMaglev(101)(c)
	}}
	for i := range n {
		o.Endpoints = append(o.Endpoints, balance.Endpoint{ID: fmt.Sprint(i), Addr: "192.0.2.1:80"})
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	report = func(i int, w health.Weight) { b.reported(fmt.Sprint(i), "192.0.2.1:80", w) }
	for i := range n {
		report(i, health.Weight{})
	}
	b.settle()
	return b, report, builds
}

// reported notes what a check of an endpoint found that is well.
func (b *Balancer) reported(id, addr string, w health.Weight) {
	is := &watch{b: b, id: id, addr: addr, check: b.state.opt.HealthCheck}
	b.note(is, health.Event{Status: health.Healthy, Result: health.Result{OK: true, Weight: w}})
}

// settle does what Run does for changes that nobody waits for.
func (b *Balancer) settle() *Snapshot {
	_ = b.write(func(*state) (bool, error) { return false, nil })
	return b.Snapshot()
}

func weighs(n uint32) health.Weight { return health.Weight{State: health.WeightValid, Value: n} }

func TestBurstOfReportsIsOneSnapshot(t *testing.T) {
	b, report, builds := reporting(t, 50)
	before, built := b.Snapshot().Version, *builds
	for i := range 50 {
		report(i, weighs(uint32(i+2)))
	}
	s := b.settle()
	if s.Version != before+1 || *builds != built+1 {
		t.Errorf("50 reports took %d snapshots and %d pickers", s.Version-before, *builds-built)
	}
	for i, m := range b.state.members {
		if c := s.Candidates[i]; c.Share != m.report.valid.Value || c.Weight != c.Share || c.Load != m.endpoint.Load {
			t.Errorf("%s reported %d and has weight %d, share %d", c.ID, m.report.valid.Value, c.Weight, c.Share)
		}
	}
}

// What changes no weight that counts is no new snapshot, and an endpoint whose
// weight stays is the same value.
func TestReportsThatChangeNothingMakeNoSnapshot(t *testing.T) {
	b, report, builds := reporting(t, 3)
	for i := range 3 {
		report(i, weighs(7))
	}
	s, built := b.settle(), *builds
	report(0, weighs(7))
	report(1, health.Weight{State: health.WeightValid, Value: 7, Text: "6.9"})
	report(2, health.Weight{}) // no reply
	if b.settle() != s {
		t.Error("reports of the same weights made a snapshot")
	}
	report(0, weighs(8))
	report(0, weighs(7))
	if b.settle() != s {
		t.Error("there and back again made a snapshot")
	}
	report(0, weighs(8))
	next := b.settle()
	if next.Candidates[0].Weight != 8 || next.Candidates[1] != s.Candidates[1] || next.Candidates[2] != s.Candidates[2] {
		t.Errorf("one weight changed: %+v", next.Candidates)
	}
	// Nonsense brings the weights of the file, more nonsense nothing new.
	report(1, health.Weight{State: health.WeightInvalid, Text: "x"})
	fallen := b.settle()
	if fallen.reported || fallen.Candidates[0].Weight != 1 {
		t.Errorf("with an invalid report: %+v", fallen.Candidates)
	}
	report(1, health.Weight{State: health.WeightInvalid, Text: "y"})
	report(0, weighs(99))
	if b.settle() != fallen {
		t.Error("reports that do not count made a snapshot")
	}
	if *builds != built+2 {
		t.Errorf("%d pickers for two changes", *builds-built)
	}
}

// Who reports what the file says as well changes no share, and whose weights count
// all the same.
func TestReportsThatAgreeWithTheFileCount(t *testing.T) {
	b, report, builds := reporting(t, 2)
	built := *builds
	for i := range 2 {
		if b.settle(); b.Status().UsesReports {
			t.Errorf("reports count after %d", i)
		}
		if i == 0 {
			report(1, health.Weight{State: health.WeightMissing})
		}
		report(i, weighs(1))
	}
	if b.settle(); !b.Status().UsesReports || *builds != built {
		t.Errorf("uses reports %v, built %d pickers", b.Status().UsesReports, *builds-built)
	}
}

// A report outlives a reload at the same address and by a check that can bring
// one; at another address it is another endpoint's.
func TestReportsFollowTheAddress(t *testing.T) {
	b, say, _ := reporting(t, 2)
	say(0, weighs(3))
	say(1, weighs(9))
	s := b.settle()
	o := b.state.opt
	if err := b.SetOptions(o); err != nil {
		t.Fatal(err)
	}
	if next := b.Snapshot(); next.Candidates[0] != s.Candidates[0] || next.Candidates[1].Share != 9 {
		t.Errorf("after a reload of the same: %+v", next.Candidates)
	}
	moved := []balance.Endpoint{{ID: "0", Addr: "192.0.2.2:80"}, {ID: "1", Addr: "192.0.2.1:80"}}
	if err := b.SetEndpoints(moved); err != nil {
		t.Fatal(err)
	}
	if e := b.state.members[0]; e.report != (report{}) {
		t.Errorf("at another address it still reports %+v", e.report)
	}
	o.HealthCheck = &health.Check{Type: health.TypeTCP}
	if err := b.SetOptions(o); err != nil {
		t.Fatal(err)
	}
	for _, m := range b.state.members {
		if m.report != (report{}) {
			t.Errorf("by a check that brings none %s still reports %+v", m.endpoint.ID, m.report)
		}
	}
}

// A late report of a watch that was replaced is nobody's.
func TestLateReportsAreDropped(t *testing.T) {
	b, _, _ := reporting(t, 1)
	b.reported("0", "192.0.2.9:80", weighs(5))
	b.reported("gone", "192.0.2.1:80", weighs(5))
	if b.settle(); b.state.members[0].report != (report{}) {
		t.Errorf("it has %+v", b.state.members[0].report)
	}
}
