package http

import "testing"

// TestJudge goes through every attempt there can be and compares with the rule
// said the other way round: when is sending again safe?
func TestJudge(t *testing.T) {
	for bits := range 1 << 7 {
		is := func(i int) bool { return bits>>i&1 == 1 }
		for number := 1; number <= maxAttempts; number++ {
			a := attempt{
				number: number, connected: is(0), reused: is(1), sent: is(2), broken: is(3),
				idempotent: is(4), replayable: is(5), interim: is(6),
			}
			for _, a.refreshed = range []bool{false, true} {
				check(t, a, judge(a))
			}
		}
	}
}

func check(t *testing.T, a attempt, v verdict) {
	t.Helper()
	again := v != giveUp
	switch {
	case again && !a.replayable:
		t.Errorf("%+v: sent again without having it all", a)
	case again && a.connected && a.sent && !a.idempotent:
		t.Errorf("%+v: may be done twice", a)
	case again && a.connected && !a.reused:
		t.Errorf("%+v: a fresh connection's end is the endpoint's failure", a)
	case again && a.connected && a.interim:
		t.Errorf("%+v: the endpoint has begun to answer", a)
	case v == freshConnect && a.refreshed:
		t.Errorf("%+v: refreshed twice", a)
	case again && !a.connected && a.number >= maxAttempts:
		t.Errorf("%+v: no end", a)
	case v == anotherOne && a.connected:
		t.Errorf("%+v: a stale connection says nothing against its endpoint", a)
	case !again && !a.connected && a.replayable && a.number < maxAttempts:
		t.Errorf("%+v: nobody saw the request, and it was given up", a)
	case !again && a.connected && a.reused && a.broken && a.replayable && !a.refreshed && !a.interim && (a.idempotent || !a.sent):
		t.Errorf("%+v: a stale connection was not replaced", a)
	}
}
