package balancetest_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

type pickerFunc func(balance.Request) *balance.Endpoint

func (f pickerFunc) Pick(q balance.Request) *balance.Endpoint { return f(q) }

func in(c []balance.Candidate) []balance.Candidate {
	var list []balance.Candidate
	for _, c := range c {
		if c.Share > 0 {
			list = append(list, c)
		}
	}
	return list
}

var sink []byte

// broken are policies with one thing wrong each, and the check that must say so.
var broken = map[string]struct {
	policy balance.Policy
	hash   bool
	check  string
}{
	"picks who is out": {
		func(c []balance.Candidate) balance.Picker {
			return pickerFunc(func(balance.Request) *balance.Endpoint { return c[rand.IntN(len(c))].Endpoint })
		}, false, "OnlyCandidatesComeBack",
	},
	"ignores shares": {
		func(c []balance.Candidate) balance.Picker {
			c = in(c)
			return pickerFunc(func(balance.Request) *balance.Endpoint { return c[rand.IntN(len(c))].Endpoint })
		}, false, "IdleSharesFollowWeights",
	},
	"allocates": {
		func(c []balance.Candidate) balance.Picker {
			p := balance.Random()(c)
			return pickerFunc(func(q balance.Request) *balance.Endpoint { sink = make([]byte, 8); return p.Pick(q) })
		}, false, "PickDoesNotAllocate",
	},
	"is afraid of one": {
		func(c []balance.Candidate) balance.Picker {
			if len(c) == 1 {
				return pickerFunc(func(balance.Request) *balance.Endpoint { return nil })
			}
			return balance.Random()(c)
		}, false, "SingleCandidate",
	},
	"does not hash": {balance.Random(), true, "equal keys"},
	"hashes over those that are in": {
		func(c []balance.Candidate) balance.Picker {
			p := balance.Maglev(8009)(in(c))
			return pickerFunc(p.Pick)
		}, true, "OutageMovesOnlyItsOwnKeys",
	},
	"takes the remainder of the key": {
		func(c []balance.Candidate) balance.Picker {
			c = in(c)
			return pickerFunc(func(q balance.Request) *balance.Endpoint {
				if !q.Keyed {
					q.Key = rand.Uint64()
				}
				if q.Try >= len(c) {
					return nil
				}
				return c[(q.Key+uint64(q.Try))%uint64(len(c))].Endpoint
			})
		}, true, "RemovingOneMovesFew",
	},
	"repeats alternatives": {
		func(c []balance.Candidate) balance.Picker {
			p := balance.Maglev(8009)(c)
			return pickerFunc(func(q balance.Request) *balance.Endpoint { q.Try = min(q.Try, 1); return p.Pick(q) })
		}, true, "AlternativesAreAllOnceThenNil",
	},
}

const brokenName = "BALANCETEST_BROKEN"

// TestSuiteFindsWhatIsWrong runs this test again, in a process of its own, for
// each broken policy: that must fail, and say why.
func TestSuiteFindsWhatIsWrong(t *testing.T) {
	if name := os.Getenv(brokenName); name != "" {
		if b := broken[name]; b.hash {
			balancetest.RunHash(t, b.policy)
		} else {
			balancetest.Run(t, b.policy)
		}
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFindsWhatIsWrong$", "-test.v")
			cmd.Env = append(os.Environ(), brokenName+"="+name)
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "the race detector allocates") && name == "allocates" {
				t.Skip("cannot be seen under the race detector")
			}
			if err == nil {
				t.Error("the suite passed it")
			} else if !strings.Contains(string(out), "FAIL: TestSuiteFindsWhatIsWrong/"+b.check) && !strings.Contains(string(out), b.check+" do not give") {
				t.Errorf("%s did not fail; the suite said\n%s", b.check, out)
			}
		})
	}
}
