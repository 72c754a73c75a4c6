package balance

import "sync/atomic"

// A Fault is what kind of failure a lease ended with.
type Fault uint8

const (
	// ResponseError: the endpoint answered, and the answer was a failure.
	ResponseError Fault = iota
	// GatewayError: what is behind the endpoint did not answer, or the endpoint itself
	// did not in time.
	GatewayError
	// ConnectError: there was no connection, or none that brought an answer.
	ConnectError
)

// Streaks are how many leases in a row have ended in a failure, since one ended well.
// They stop at [MaxStreak].
type Streaks struct {
	Errors   int // of any kind
	Gateways int // of these the last ones in a row that were GatewayError or ConnectError
	Connects int // the last ones in a row that were ConnectError
}

// MaxStreak is as far as Streaks count.
const MaxStreak = 1<<16 - 1

// DefaultPenalty is how far the penalty of an endpoint grows until Fade says
// otherwise, in leases.
const DefaultPenalty = 1024

// onePenalty is a penalty of one lease in trouble.
const onePenalty = 1 << 48

// wearOut is of how many picks that look at a penalty one halves it: so it goes also
// where nobody calls Fade, and who fails gets at most about two of so many.
const wearOut = 256

// trouble is what an endpoint's last failures left behind, in one word, so that who
// succeeds need look at nothing else: three streaks and the penalty, 16 bits each.
type trouble uint64

func troubleOf(s Streaks, penalty int64) trouble {
	return trouble(s.Errors) | trouble(s.Gateways)<<16 | trouble(s.Connects)<<32 | trouble(penalty)<<48
}

func (t trouble) streaks() Streaks {
	return Streaks{Errors: int(t & MaxStreak), Gateways: int(t >> 16 & MaxStreak), Connects: int(t >> 32 & MaxStreak)}
}

func (t trouble) penalty() int64 { return int64(t >> 48) }

// faults is what is known of an endpoint that has failed once. It is a cache line of
// its own, that nobody looks at who succeeds.
type faults struct {
	gateways, connects atomic.Uint64
	most               atomic.Int64 // of the penalty
	reason             atomic.Pointer[string]
	notify             atomic.Pointer[func(Streaks)]
}

// faulty returns the Load's faults, and makes them if there are none.
func (l *Load) faulty() *faults {
	if f := l.faults.Load(); f != nil {
		return f
	}
	f := new(faults)
	f.most.Store(DefaultPenalty)
	if l.faults.CompareAndSwap(nil, f) {
		return f
	}
	return l.faults.Load()
}

// Fail counts a lease that ended by the endpoint's fault: its total, its streaks, and
// the penalty, which it doubles. It does not release. reason is kept as the last one,
// unless it is empty. Whoever Notify names is told.
func (l *Load) Fail(f Fault, reason string) {
	l.failed.Add(1)
	more := l.faulty()
	switch f {
	case GatewayError:
		more.gateways.Add(1)
	case ConnectError:
		more.connects.Add(1)
	}
	if last := more.reason.Load(); reason != "" && (last == nil || *last != reason) {
		kept := reason
		more.reason.Store(&kept)
	}
	s := l.worsen(f, more.most.Load())
	if told := more.notify.Load(); told != nil {
		(*told)(s)
	}
}

// worsen adds one failure to streaks and penalty.
func (l *Load) worsen(f Fault, most int64) Streaks {
	for {
		was := l.trouble.Load()
		s, penalty := trouble(was).streaks(), trouble(was).penalty()
		s.Errors = min(s.Errors+1, MaxStreak)
		s.Gateways = min(s.Gateways+1, MaxStreak)
		s.Connects = min(s.Connects+1, MaxStreak)
		if f == ResponseError {
			s.Gateways = 0
		}
		if f != ConnectError {
			s.Connects = 0
		}
		penalty = min(max(2*penalty, 1), most)
		if l.trouble.CompareAndSwap(was, uint64(troubleOf(s, penalty))) {
			return s
		}
	}
}

// penalized reports whether there is a penalty.
func (l *Load) penalized() bool { return l.trouble.Load() >= onePenalty }

// InTrouble reports whether Succeed would change anything. Who is in a hurry asks
// first: this is inlined, and Succeed is not.
func (l *Load) InTrouble() bool { return l.trouble.Load() != 0 }

// Succeed notes that a lease ended well: streaks are over, and the penalty is halved.
// For an endpoint that does not fail that is one look at a line that Release writes
// to anyway.
func (l *Load) Succeed() {
	if l.trouble.Load() != 0 {
		l.change(func(_ Streaks, penalty int64) (Streaks, int64) { return Streaks{}, penalty / 2 })
	}
}

// Connected notes, of leases that last, that the endpoint has accepted a connection:
// what was nothing but a streak of failures to connect is over.
func (l *Load) Connected() {
	if l.trouble.Load() == 0 {
		return
	}
	l.change(func(s Streaks, penalty int64) (Streaks, int64) {
		if s.Connects >= s.Errors {
			s = Streaks{}
		}
		s.Connects = 0
		return s, penalty
	})
}

// Forget ends the streaks of errors and gateway errors, as if a lease had ended well.
// The one of failures to connect goes on: no lease has.
func (l *Load) Forget() {
	l.change(func(s Streaks, penalty int64) (Streaks, int64) { return Streaks{Connects: s.Connects}, penalty })
}

// Restart ends the streak that f belongs to, so that it counts anew: with
// ResponseError that of errors, else that of gateway errors.
func (l *Load) Restart(f Fault) {
	l.change(func(s Streaks, penalty int64) (Streaks, int64) {
		if f == ResponseError {
			s.Errors = 0
		} else {
			s.Gateways = 0
		}
		return s, penalty
	})
}

// Fade halves the penalty, and says how many leases it may come to from now on: 0 to
// 65535. It is to be called about once a second; without that a penalty goes with the
// picks that pass the endpoint by, and never comes to more than [DefaultPenalty].
func (l *Load) Fade(most int64) {
	more := l.faults.Load()
	if more == nil {
		return
	}
	most = min(max(most, 0), MaxStreak)
	if more.most.Load() != most {
		more.most.Store(most)
	}
	if trouble(l.trouble.Load()).penalty() > 0 {
		l.change(func(s Streaks, penalty int64) (Streaks, int64) { return s, min(penalty/2, most) })
	}
}

func (l *Load) change(to func(Streaks, int64) (Streaks, int64)) {
	for {
		was := l.trouble.Load()
		if now := uint64(troubleOf(to(trouble(was).streaks(), trouble(was).penalty()))); now == was || l.trouble.CompareAndSwap(was, now) {
			return
		}
	}
}

// Notify has f called by every Fail from now on, on the goroutine that calls that;
// nil: nobody is called.
func (l *Load) Notify(f *func(Streaks)) {
	if f != nil || l.faults.Load() != nil {
		l.faulty().notify.Store(f)
	}
}

// Streaks are the streaks of failures that go on now.
func (l *Load) Streaks() Streaks { return trouble(l.trouble.Load()).streaks() }

// wear returns the penalty, and halves it for one in wearOut.
func (l *Load) wear(random uint64) int64 {
	if random%wearOut == 0 {
		l.change(func(s Streaks, penalty int64) (Streaks, int64) { return s, penalty / 2 })
	}
	return trouble(l.trouble.Load()).penalty()
}

// Burden is what LEAST_REQUEST compares: Active, and the penalty for failures.
//
// An endpoint that fails is fast. By its leases it is the least loaded, and would get
// nearly everything; so its failures count as leases that nobody holds. The first is
// one, and each after it doubles them, to at most what Fade allows; each success
// halves them, and so do each second and one in a few hundred picks. So within a few
// failures it looks as loaded as the others are, however fast it fails, and is tried
// now and then.
func (l *Load) Burden() int64 { return l.Active() + trouble(l.trouble.Load()).penalty() }

// Neutral counts a lease that ended by nobody's fault. It does not release.
func (l *Load) Neutral() { l.neutral.Add(1) }

// Neutrals is the number of leases that ended by nobody's fault.
func (l *Load) Neutrals() uint64 { return l.neutral.Load() }

// Finished is the number of leases that have ended.
func (l *Load) Finished() uint64 { return l.finished.Load() }

// Faults are the numbers of leases that ended with GatewayError and ConnectError, and
// what the reason of the last Fail that had one was.
func (l *Load) Faults() (gateways, connects uint64, reason string) {
	f := l.faults.Load()
	if f == nil {
		return 0, 0, ""
	}
	if r := f.reason.Load(); r != nil {
		reason = *r
	}
	return f.gateways.Load(), f.connects.Load(), reason
}
