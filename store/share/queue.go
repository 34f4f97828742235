package share

// Queue hands out what is queued, round robin by owner. It is for one goroutine at a time.
type Queue[T any] struct {
	by    map[string][]T
	turns []string // the owners that have something, next first
}

// NewQueue makes an empty queue.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{by: map[string][]T{}} }

// Push queues one behind the others of its owner.
func (q *Queue[T]) Push(owner string, one T) {
	if len(q.by[owner]) == 0 {
		q.turns = append(q.turns, owner)
	}
	q.by[owner] = append(q.by[owner], one)
}

// Pop takes the first of the owner whose turn it is; false where there is none.
func (q *Queue[T]) Pop() (one T, ok bool) {
	if len(q.turns) == 0 {
		q.turns = nil // which a crowd may have grown
		return one, false
	}
	owner := q.turns[0]
	q.turns = q.turns[1:]
	queue := q.by[owner]
	one = queue[0]
	var none T
	queue[0] = none
	if len(queue) == 1 {
		delete(q.by, owner)
		return one, true
	}
	q.by[owner] = queue[1:]
	q.turns = append(q.turns, owner)
	return one, true
}
