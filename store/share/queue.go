package share

// Queue is a queue that serves owners round robin. Only one goroutine may use it at a time.
type Queue[T any] struct {
	by    map[string][]T
	turns []string // the owners with something queued, next first
}

// NewQueue makes an empty queue.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{by: map[string][]T{}} }

// Push queues one after the others of its owner.
func (q *Queue[T]) Push(owner string, one T) {
	if len(q.by[owner]) == 0 {
		q.turns = append(q.turns, owner)
	}
	q.by[owner] = append(q.by[owner], one)
}

// Pop takes the first of the owner whose turn it is. It returns false if the queue is empty.
func (q *Queue[T]) Pop() (one T, ok bool) {
	if len(q.turns) == 0 {
		q.turns = nil // frees the memory that many owners may have needed
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
