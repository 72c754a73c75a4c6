package balance_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

func TestLookupKnowsItsNamesInAnyCase(t *testing.T) {
	for _, name := range append(balance.Names(), "ORIGINAL_DESTINATION") {
		for _, spelled := range []string{name, strings.ToLower(name), name[:1] + strings.ToLower(name[1:])} {
			p, err := balance.Lookup(spelled)
			if err != nil {
				t.Errorf("Lookup(%q): %v", spelled, err)
				continue
			}
			at := netip.MustParseAddrPort("10.0.0.1:80")
			c := reachable(at.String())
			if p(c).Pick(balance.Request{Destination: at}) != c[0].Endpoint {
				t.Errorf("%s did not pick its only candidate", spelled)
			}
		}
	}
}

func TestLookupErrorSaysWhatIsKnown(t *testing.T) {
	for _, name := range []string{"", "ROUNDROBIN", "ROUND_ROBIN ", "WEIGHTED_GCP_RENDEZVOUS"} {
		_, err := balance.Lookup(name)
		if err == nil {
			t.Errorf("Lookup(%q) gave a policy", name)
			continue
		}
		for _, known := range append(balance.Names(), "ORIGINAL_DESTINATION") {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("Lookup(%q): %q does not name %s", name, err, known)
			}
		}
	}
}

// A list without anybody to pick breaks the contract; it must not break the caller.
func TestNobodyToPickGivesNil(t *testing.T) {
	out := balancetest.Candidates(1, 2, 3)
	for i := range out {
		out[i].Share = 0
	}
	for _, name := range balance.Names() {
		for _, c := range [][]balance.Candidate{nil, out} {
			if e := mustLookup(t, name)(c).Pick(balance.Request{Key: 1, Keyed: true}); e != nil {
				t.Errorf("%s picked %s of %d candidates without a share", name, e.ID, len(c))
			}
		}
	}
}

// Nor must a negative Try, which has no meaning.
func TestNegativeTryIsTheFirst(t *testing.T) {
	c := balancetest.Candidates(1, 2, 3)
	for _, name := range balance.Names() {
		if mustLookup(t, name)(c).Pick(balance.Request{Key: 1, Keyed: true, Try: -1}) == nil {
			t.Errorf("%s picked nobody", name)
		}
	}
}
