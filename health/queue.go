package health

import "container/heap"

// queue holds the targets that wait for their next check, those that are due first at the front. It is a heap.
type queue []*target

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next < q[j].next }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for package heap; see add.
func (q *queue) Push(x any) {
	t := x.(*target)
	t.place = len(*q)
	*q = append(*q, t)
}

// Pop is for package heap; see take.
func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.place = -1
	return t
}

func (q *queue) add(t *target)    { heap.Push(q, t) }
func (q *queue) remove(t *target) { heap.Remove(q, t.place) }

// take returns the first target if it is due at now, or nil.
func (q *queue) take(now int64) *target {
	if len(*q) == 0 || (*q)[0].next > now {
		return nil
	}
	return heap.Pop(q).(*target)
}
