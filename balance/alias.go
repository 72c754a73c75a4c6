package balance

import "math/bits"

// An aliasTable draws an index with a given probability from one random number,
// in constant time (Vose, "A linear algorithm for generating random numbers with
// a given distribution", 1991).
//
// Every index has a column of equal width. What an index is due beyond its
// column's width is put on top of the columns of those that are due less, at
// most one tenant in each, so a draw is: choose a column, then its owner below
// the cut or its tenant above.
//
//	shares 1, 2, 3, sum 6; the width of a column is 2
//
//	 ┌───┐ ┌───┐ ┌───┐
//	 │ 2 │ │   │ │   │     index 2 is due 3: its own column
//	 ├╌╌╌┤ │ 1 │ │ 2 │     and half of index 0's
//	 │ 0 │ │   │ │   │
//	 └───┘ └───┘ └───┘
type aliasTable struct {
	n       uint64
	columns []aliasColumn // nil: all shares are equal
}

type aliasColumn struct {
	cut    uint32 // the owner's part of the column, in 1/2³²
	tenant uint32
}

func newAliasTable(c []Candidate) aliasTable {
	t := aliasTable{n: uint64(len(c))}
	if !equalShares(c) {
		t.columns = aliasColumns(c)
	}
	return t
}

// aliasColumns fills the columns in whole numbers: in units where a column is
// as wide as the sum of the shares, index i is due n times its share.
func aliasColumns(c []Candidate) []aliasColumn {
	var sum uint64
	for i := range c {
		sum += uint64(c[i].Share)
	}
	columns := make([]aliasColumn, len(c))
	due := make([]uint64, len(c))
	var short, long []int // columns that need a tenant, indexes that need room
	for i := range c {
		due[i] = uint64(c[i].Share) * uint64(len(c))
		if due[i] < sum {
			short = append(short, i)
		} else {
			long = append(long, i)
		}
	}
	// Dues sum up to the columns' width, so a short column always finds a long
	// index, and those that are left over fill their own columns exactly.
	for len(short) > 0 {
		s, l := short[len(short)-1], long[len(long)-1]
		short = short[:len(short)-1]
		cut, _ := bits.Div64(due[s]>>32, due[s]<<32, sum)
		columns[s] = aliasColumn{cut: uint32(cut), tenant: uint32(l)}
		due[l] -= sum - due[s]
		if due[l] < sum {
			long = long[:len(long)-1]
			short = append(short, l)
		}
	}
	for _, l := range long {
		columns[l].tenant = uint32(l)
	}
	return columns
}

// draw turns a random number into an index.
func (t *aliasTable) draw(random uint64) int {
	i, rest := bits.Mul64(random, t.n)
	if t.columns != nil {
		if c := t.columns[i]; uint32(rest>>32) >= c.cut {
			return int(c.tenant)
		}
	}
	return int(i)
}
