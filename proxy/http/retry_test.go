package http

import (
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

const (
	everything = proxy.RetryConnectFailure | proxy.RetryRefusedStream | proxy.RetryGatewayError | proxy.Retry5xx | proxy.RetryRetriable4xx
	nothing    = proxy.RetryOn(0)
)

// What a try came to, for an idempotent request that is all here.
var (
	unconnected = attempt{idempotent: true, replayable: true}
	refusal     = attempt{connected: true, broken: true, idempotent: true, replayable: true}
	disconnect  = attempt{connected: true, broken: true, sent: true, idempotent: true, replayable: true}
	silence     = attempt{connected: true, sent: true, idempotent: true, replayable: true}
	unwritten   = attempt{connected: true, idempotent: true, replayable: true}
	deadUnsent  = attempt{connected: true, reused: true, broken: true, idempotent: true, replayable: true}
	deadSent    = attempt{connected: true, reused: true, broken: true, sent: true, idempotent: true, replayable: true}
)

func answered(status int) attempt {
	a := silence
	a.status = status
	return a
}

func (a attempt) but(change func(*attempt)) attempt { change(&a); return a }

func post(a *attempt)     { a.idempotent = false }
func partGone(a *attempt) { a.replayable = false }
func hinted(a *attempt)   { a.interim = true }
func freshen(a *attempt)  { a.refreshed = true }
func onceMore(a *attempt) { a.others = 1 }

func TestJudge(t *testing.T) {
	const (
		connect  = proxy.RetryConnectFailure
		refused  = proxy.RetryRefusedStream
		gateway  = proxy.RetryGatewayError
		fivexx   = proxy.Retry5xx
		conflict = proxy.RetryRetriable4xx
	)
	for _, row := range []struct {
		is string
		a  attempt
		on proxy.RetryOn // the conditions that make it anotherOne
		or verdict       // for all others
	}{
		{"no connection", unconnected, connect | gateway | fivexx, giveUp},
		{"no connection, POST", unconnected.but(post), connect | gateway | fivexx, giveUp},
		{"nothing sent", refusal, refused | gateway | fivexx, giveUp},
		{"nothing sent, POST", refusal.but(post), refused | gateway | fivexx, giveUp},
		{"ended without a response", disconnect, gateway | fivexx, giveUp},
		{"ended without a response, POST", disconnect.but(post), nothing, giveUp},
		{"no response in time, or none that is HTTP", silence, gateway | fivexx, giveUp},
		{"no response in time, POST", silence.but(post), nothing, giveUp},
		{"nothing could be written in time", unwritten, gateway | fivexx, giveUp},
		{"nothing could be written in time, POST", unwritten.but(post), gateway | fivexx, giveUp},

		{"200", answered(200), nothing, giveUp},
		{"404", answered(404), nothing, giveUp},
		{"408", answered(408), nothing, giveUp},
		{"409", answered(409), conflict, giveUp},
		{"409, POST", answered(409).but(post), nothing, giveUp},
		{"429", answered(429), nothing, giveUp},
		{"499", answered(499), nothing, giveUp},
		{"500", answered(500), fivexx, giveUp},
		{"501", answered(501), fivexx, giveUp},
		{"502", answered(502), gateway | fivexx, giveUp},
		{"503", answered(503), gateway | fivexx, giveUp},
		{"503, POST", answered(503).but(post), nothing, giveUp},
		{"504", answered(504), gateway | fivexx, giveUp},
		{"505", answered(505), fivexx, giveUp},
		{"508, a loop", answered(508), nothing, giveUp},
		{"599", answered(599), fivexx, giveUp},
		{"600", answered(600), nothing, giveUp},

		{"dead when reused, nothing sent", deadUnsent, nothing, freshConnect},
		{"dead when reused, nothing sent, POST", deadUnsent.but(post), nothing, freshConnect},
		{"dead when reused", deadSent, nothing, freshConnect},
		{"dead when reused, POST", deadSent.but(post), nothing, giveUp},
		{"dead when reused, twice", deadSent.but(freshen), gateway | fivexx, giveUp},

		{"no connection, part gone", unconnected.but(partGone), nothing, giveUp},
		{"ended, part gone", disconnect.but(partGone), nothing, giveUp},
		{"dead when reused, part gone", deadSent.but(partGone), nothing, giveUp},
		{"503, part gone", answered(503).but(partGone), nothing, giveUp},
		{"ended after a hint", disconnect.but(hinted), nothing, giveUp},
		{"503 after a hint", answered(503).but(hinted), nothing, giveUp},
	} {
		for condition := proxy.RetryOn(1); condition <= everything; condition <<= 1 {
			want := row.or
			if row.on&condition != 0 {
				want = anotherOne
			}
			if got := judge(row.a, &proxy.Retry{On: condition, Most: 1}); got != want {
				t.Errorf("%s, on %05b: %q, want %q", row.is, condition, verdicts[got], verdicts[want])
			}
			if got := judge(row.a.but(onceMore), &proxy.Retry{On: condition, Most: 1}); got != row.or {
				t.Errorf("%s, on %05b, the second time: %q, want %q", row.is, condition, verdicts[got], verdicts[row.or])
			}
		}
	}
}

func TestServicesWithoutARuleTryAgainWhatWasNotProcessed(t *testing.T) {
	for _, row := range []struct {
		a    attempt
		want verdict
	}{
		{unconnected, anotherOne},
		{unconnected.but(post), anotherOne},
		{unconnected.but(func(a *attempt) { a.others = maxAttempts - 1 }), giveUp},
		{refusal.but(post), anotherOne},
		{disconnect, giveUp},
		{silence, giveUp},
		{answered(503), giveUp},
		{deadSent, freshConnect},
		{deadSent.but(post), giveUp},
		{deadUnsent.but(post), freshConnect},
	} {
		if got := judge(row.a, ownRule); got != row.want {
			t.Errorf("%+v: %q, want %q", row.a, verdicts[got], verdicts[row.want])
		}
	}
}

func TestNoRetriesMeansThatNothingIsSentTwice(t *testing.T) {
	rule := &proxy.Retry{On: everything}
	for _, a := range []attempt{unconnected, refusal, disconnect, silence, unwritten, deadSent, answered(503), answered(409)} {
		if got := judge(a, rule); got != giveUp {
			t.Errorf("%+v: %q", a, verdicts[got])
		}
	}
	if got := judge(deadUnsent, rule); got != freshConnect {
		t.Errorf("a dead connection that nothing was sent on: %q", verdicts[got])
	}
}

// TestJudgeIsNeverUnsafe goes through every attempt there can be, under every
// rule, and asks the other way round: was sending again safe, and does it end?
func TestJudgeIsNeverUnsafe(t *testing.T) {
	for bits := range 1 << 8 {
		is := func(i int) bool { return bits>>i&1 == 1 }
		a := attempt{
			connected: is(0), reused: is(1), sent: is(2), broken: is(3), refreshed: is(4),
			idempotent: is(5), replayable: is(6), interim: is(7),
		}
		for on := nothing; on <= everything; on++ {
			for most := range 3 {
				for a.others = range 3 {
					for _, a.status = range []int{0, 200, 409, 500, 503} {
						checkSafe(t, a, &proxy.Retry{On: on, Most: most})
					}
				}
			}
		}
	}
}

func checkSafe(t *testing.T, a attempt, rule *proxy.Retry) {
	t.Helper()
	v := judge(a, rule)
	switch {
	case v == giveUp:
	case !a.replayable:
		t.Errorf("%+v: sent again without having it all", a)
	case a.interim:
		t.Errorf("%+v: the endpoint has begun to answer", a)
	case a.connected && a.sent && (!a.idempotent || rule.Most == 0):
		t.Errorf("%+v: may be done twice", a)
	case v == freshConnect && (a.refreshed || !a.reused || !a.broken):
		t.Errorf("%+v: not a stale connection, or no end", a)
	case v == anotherOne && (a.others >= rule.Most || rule.On == 0):
		t.Errorf("%+v: more than %+v allows", a, *rule)
	case v == overBudget || v == nobodyElse:
		t.Errorf("%+v: %q is not the rule's to say", a, verdicts[v])
	}
}
