package discovery

// maxWeight is the largest weight of an endpoint.
const maxWeight = 1000

// weights brings the weights of SRV records, 0 to 65535, into the range of
// endpoints, 1 to 1000, one priority at a time. parts are in how many endpoints
// each record's weight is divided: those of a target that has several addresses.
//
// A weight of 0 counts as 1: the choice of RFC 2782 (a random number from 0 to the
// sum, both included) gives one record of weight 0 beside a sum of n the part
// 1/(n+1). And where all are 0 they are equal.
func weights(srv []uint16, parts []int) []uint32 {
	common := uint64(1)
	for _, n := range parts {
		if next := common / gcd(common, uint64(n)) * uint64(n); next <= 1<<20 {
			common = next
		}
	}
	exact := make([]uint64, len(srv))
	var divisor, most uint64
	for i, w := range srv {
		exact[i] = max(uint64(w), 1) * common / uint64(parts[i])
		divisor = gcd(divisor, exact[i])
		most = max(most, exact[i])
	}
	out := make([]uint32, len(srv))
	for i, w := range exact {
		if most/max(divisor, 1) <= maxWeight {
			out[i] = uint32(max(w/max(divisor, 1), 1))
		} else {
			out[i] = uint32(max((w*maxWeight+most/2)/most, 1))
		}
	}
	return out
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
