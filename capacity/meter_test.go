package capacity_test

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

const ms = int64(1e6)

// take advances to now and takes one.
func take(m *capacity.Meter, perSecond float64, now int64) bool {
	l := capacity.LimitOf(perSecond)
	limit := &l
	if m.Stale(limit) {
		m.Advance(now, limit)
	}
	v := m.Take(limit, true)
	if v == capacity.Full {
		m.Advance(now, limit)
		v = m.Take(limit, true)
	}
	if v != capacity.Taken {
		m.Refuse()
	}
	return v == capacity.Taken
}

func TestTheRequestThatWouldExceedTheTargetIsTheFirstRefused(t *testing.T) {
	for _, limit := range []int{1, 3, 80, 100, 511, 512, 1000, 65536, 1000000} {
		var m capacity.Meter
		now, n := 5*int64(1e9), 0
		for take(&m, float64(limit), now) {
			n++
		}
		if n != limit {
			t.Errorf("limit %d: %d were taken at once", limit, n)
		}
	}
}

// Whatever demand looks like, no second has more than the target.
func TestNoSecondHasMoreThanTheTarget(t *testing.T) {
	demands := map[string]func(now int64) int{
		"steady at twice":   func(now int64) int { return 2 },
		"gusts":             func(now int64) int { return 40 * btoi(now/(300*ms)%3 == 0) },
		"one gust a second": func(now int64) int { return 3000 * btoi(now%(1000*ms) == 0) },
		"all at once":       func(now int64) int { return 10000 * btoi(now == 4000*ms) },
	}
	for name, demand := range demands {
		t.Run(name, func(t *testing.T) {
			const limit = 1000
			var m capacity.Meter
			var at []int64
			for now := 2000 * ms; now < 12000*ms; now += ms {
				for range demand(now) {
					if take(&m, limit, now) {
						at = append(at, now)
					}
				}
			}
			for i := range at {
				if j := i + limit + limit/100; j < len(at) && at[j]-at[i] < 1000*ms {
					t.Fatalf("%d requests from %d ms to %d ms", j-i+1, at[i]/ms, at[j]/ms)
				}
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestASteadyStreamAboveTheTargetGetsAllOfIt(t *testing.T) {
	for _, limit := range []float64{0.5, 2.5, 10, 80, 1000.7, 20000} {
		for _, times := range []float64{1.05, 1.5, 2, 10} {
			t.Run(fmt.Sprint(limit, " times ", times), func(t *testing.T) {
				var m capacity.Meter
				gap := 1e9 / (limit * times)
				const seconds = 40.0
				taken, all := 0, int(seconds*limit*times)
				for i := range all {
					if take(&m, limit, int64(1e9)+int64(float64(i)*gap)) {
						taken++
					}
				}
				want := limit * seconds
				least := 0.96
				if limit*times < 100 {
					least = 0.5 // the next request may come long after the second is over
				}
				if f := float64(taken) / want; f > 1+1/seconds || f < least {
					t.Errorf("%d of %.0f were taken", taken, want)
				}
			})
		}
	}
}

func TestAStreamBelowTheTargetIsNeverRefused(t *testing.T) {
	var m capacity.Meter
	for i := range 20000 {
		if now := int64(1e9) + int64(i)*10101010; !take(&m, 100, now) { // 99 a second
			t.Fatalf("request %d was refused", i)
		}
	}
}

// In a steady stream of twice the target, what is taken does not come in gusts.
func TestWhatIsTakenIsSpreadOverTheSecond(t *testing.T) {
	var m capacity.Meter
	const limit, tenths = 1000, 200
	var taken [tenths]int
	for i := range tenths * 2 * limit / 10 {
		now := int64(1e9) + int64(i)*ms/2
		if take(&m, limit, now) {
			taken[(now-int64(1e9))/(100*ms)]++
		}
	}
	for i, n := range taken[tenths/2:] {
		if n < 50 || n > 150 {
			t.Errorf("tenth %d of a second: %d of 100", i+tenths/2, n)
		}
	}
}

// What a stall has left free is soon used again, and so is what a demand leaves free that
// falls, but not below the target.
func TestTheTargetIsSoonReachedAgain(t *testing.T) {
	demands := map[string]func(now float64) (perMs float64){
		"a stall at 20 s": func(now float64) float64 {
			if now >= 20 && now < 20.2 {
				return 0
			}
			return 2
		},
		"from four times to once and a half": func(now float64) float64 { return max(1.5, min(4, 4-(now-20))) },
	}
	for name, demand := range demands {
		t.Run(name, func(t *testing.T) {
			var m capacity.Meter
			l := capacity.LimitOf(1000)
			due, sum, n := 0.0, 0.0, 0
			for now := int64(1e9); now < 23e9; now += ms {
				for due += demand(float64(now) / 1e9); due >= 1; due-- {
					take(&m, 1000, now)
				}
				if now >= 20.2e9 {
					m.Advance(now, &l)
					sum += m.Rate()
					n++
				}
			}
			if mean := sum / float64(n) / 1000; mean < 0.95 {
				t.Errorf("the target was used to %.3f afterwards", mean)
			}
		})
	}
}

func TestAMeterForgetsAfterASecond(t *testing.T) {
	var m capacity.Meter
	limit := capacity.LimitOf(50)
	for range 50 {
		take(&m, 50, 10_000*ms)
	}
	for _, after := range []int64{1, 999} {
		if m.Advance((10_000+after)*ms, &limit); take(&m, 50, (10_000+after)*ms) {
			t.Errorf("a slot was free after %d ms", after)
		}
	}
	if !take(&m, 50, 11_010*ms) {
		t.Error("no slot was free after a second")
	}
	m.Advance(100_000*ms, &limit)
	if d := m.Demand(); d != 0 {
		t.Errorf("a demand of %v after a minute of silence", d)
	}
}

func TestUndoGivesBack(t *testing.T) {
	var m capacity.Meter
	for range 10000 {
		if !take(&m, 1, 1e9) {
			t.Fatal("what was given back is not there")
		}
		m.Undo()
	}
}

func TestWhoIsTakenAfterAllIsNoDemandTwice(t *testing.T) {
	var m capacity.Meter
	limit := capacity.LimitOf(100)
	m.Advance(1e9, &limit)
	for range 50 {
		m.Refuse()
		m.Force()
		m.Unrefuse()
	}
	if r, d := m.Rate(), m.Demand(); r != d || r == 0 {
		t.Errorf("taken %v, demand %v", r, d)
	}
	var none capacity.Meter
	if none.Unrefuse(); none.Demand() != 0 {
		t.Error("a refusal was taken back that was not there")
	}
}

func TestRatesAreThoseOfTheStream(t *testing.T) {
	var m capacity.Meter
	now, limit := int64(1e9), capacity.LimitOf(5000)
	for range 3000 {
		now += ms
		m.Advance(now, &limit)
		m.Force()
		m.Refuse()
	}
	if r, d := m.Rate(), m.Demand(); math.Abs(r-1000) > 10 || math.Abs(d-2000) > 20 {
		t.Errorf("taken %v, demand %v; want 1000 and 2000", r, d)
	}
}

func TestManyGoroutinesTogetherNeverExceedTheTarget(t *testing.T) {
	var m capacity.Meter
	var wg sync.WaitGroup
	const limit = 5000
	taken := make([]int, 8)
	for g := range taken {
		wg.Go(func() {
			for i := range 20000 {
				if take(&m, limit, int64(1e9)+int64(i)*10000) { // 0.2 s in all
					taken[g]++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range taken {
		sum += n
	}
	if sum != limit {
		t.Errorf("%d of %d were taken", sum, limit)
	}
}

// Would says what Take will, and counts nothing.
func TestWhatATakeWouldSay(t *testing.T) {
	for _, perSecond := range []float64{2.5, 40, 300} {
		var m capacity.Meter
		l := capacity.LimitOf(perSecond)
		seen := make(map[capacity.Verdict]int)
		for now := int64(1e9); now < 5e9; now += int64(7e8 / perSecond) {
			m.Advance(now, &l)
			want := m.Would(&l, true)
			if again := m.Would(&l, true); again != want {
				t.Fatalf("%v a second: asked again, %v and not %v", perSecond, again, want)
			}
			got := m.Take(&l, true)
			if got != want {
				t.Fatalf("%v a second: %v, and it is %v", perSecond, want, got)
			}
			if seen[got]++; got != capacity.Taken {
				m.Refuse()
			}
		}
		if seen[capacity.Taken] == 0 || len(seen) < 2 {
			t.Errorf("%v a second: %v", perSecond, seen)
		}
	}
}

func TestTheZeroLimitTakesNoneAndHarmsNobody(t *testing.T) {
	var m capacity.Meter
	var none capacity.Limit
	for now := range int64(5) {
		m.Advance(now*1e9, &none)
		if m.Take(&none, true) != capacity.Full {
			t.Fatal("one was taken")
		}
	}
	if !take(&m, 1, 6e9) {
		t.Error("with a limit there is no room")
	}
}
