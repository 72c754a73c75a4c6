// Package balancetest checks that a balance.Policy keeps the promises that its
// callers rely on. Run it on a policy of your own:
//
//	func TestMyPolicy(t *testing.T) {
//		balancetest.Run(t, MyPolicy)
//	}
//
// Checked for every policy: only endpoints with a share above 0 come back;
// while all are idle they come back by share; a pick allocates nothing; eight
// goroutines may pick at once, also while a [balance.Resumer] takes over; one
// candidate, ten thousand, equal, odd and huge shares work, and nobody but one
// being left.
//
// Checked for a policy that hashes, which [Run] finds out by trying and [RunHash]
// demands: equal keys give equal endpoints, from any build of an equal list;
// the k-th alternatives are all the candidates, each once, and then nil; taking
// one of n endpoints off the list moves fewer than 3/n of the keys; giving one a
// share of 0 moves only its own, and they return when it does.
//
// Tests that draw at random fail by bad luck less than once in a hundred million
// runs.
package balancetest
