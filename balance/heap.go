package balance

// A minHeap is a binary heap with the least number first. Its users order
// indexes by time: the time is in the upper 32 bits, the index in the lower, so
// that ties go to the lower index.
type minHeap []uint64

func (h *minHeap) push(x uint64) {
	s := append(*h, x)
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent] <= x {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = x
	*h = s
}

func (h *minHeap) pop() uint64 {
	s := *h
	least, last := s[0], s[len(s)-1]
	*h = s[:len(s)-1]
	if len(*h) > 0 {
		h.replace(last)
	}
	return least
}

// replace puts x in the place of the least number.
func (h *minHeap) replace(x uint64) {
	s := *h
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if right := child + 1; right < len(s) && s[right] < s[child] {
			child = right
		}
		if x <= s[child] {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = x
}
