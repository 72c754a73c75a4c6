package simulate

import "time"

// A queue is a heap of what is to happen, the earliest first, and of one moment
// what was put in first: so a simulation has one course only. Package
// container/heap would do, and cost an allocation for each request.
type queue[T any] struct {
	items []queued[T]
	puts  uint64
}

type queued[T any] struct {
	at   time.Duration
	put  uint64
	what T
}

func (a *queued[T]) before(b *queued[T]) bool {
	return a.at < b.at || a.at == b.at && a.put < b.put
}

// never is after everything.
const never = time.Duration(1<<63 - 1)

// first is when the earliest is due; never, if there is none.
func (q *queue[T]) first() time.Duration {
	if len(q.items) == 0 {
		return never
	}
	return q.items[0].at
}

func (q *queue[T]) put(at time.Duration, what T) {
	q.puts++
	q.items = append(q.items, queued[T]{at, q.puts, what})
	h := q.items
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// take removes the earliest; there must be one.
func (q *queue[T]) take() T {
	h := q.items
	what := h[0].what
	n := len(h) - 1
	h[0] = h[n]
	h[n] = queued[T]{}
	q.items = h[:n]
	h = q.items
	for i := 0; ; {
		least := i
		for _, c := range []int{2*i + 1, 2*i + 2} {
			if c < n && h[c].before(&h[least]) {
				least = c
			}
		}
		if least == i {
			return what
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
