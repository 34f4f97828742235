package eventlog

// queue has the requests that wait for the committer. The committer takes them round robin by owner, so an owner that
// sends much delays another's request by only one of its own. The requests of one owner stay in order. A barrier waits
// for all older requests, also for those whose senders have given up: they are still in the queue.
//
// An owner is in turn if its first request may go: it is no barrier, or no older request waits. The oldest request of
// all may always go, so while anything waits, some owner is in turn.
type queue struct {
	most           int // bytes
	bytes          int
	by             map[string]*line
	head, tail     *line    // in turn
	oldest, newest *pending // of all owners
}

// line is an owner's part of the queue.
type line struct {
	owner       string
	first, last *pending
	bytes       int
	inTurn      bool
	next        *line // in turn
}

// queued is a request's links in the queue.
type queued struct {
	line           *line
	next           *pending // in the line
	earlier, later *pending // of all
}

func newQueue(most int) queue { return queue{most: most, by: map[string]*line{}} }

// push queues a request. It returns false if the queue is full; one owner may have half of it. A request of any size
// fits into an empty queue.
func (q *queue) push(p *pending, owner string) bool {
	o := q.by[owner]
	if q.bytes > 0 && q.bytes+p.size > q.most || o != nil && o.bytes+p.size > q.most/2 {
		return false
	}
	p.line, p.earlier = o, q.newest
	if q.newest == nil {
		q.oldest = p
	} else {
		q.newest.later = p
	}
	q.newest = p
	if o == nil {
		o = &line{owner: owner, first: p}
		q.by[owner], p.line = o, o
		q.wait(o)
	} else {
		o.last.next = p
	}
	o.last = p
	o.bytes += p.size
	q.bytes += p.size
	return true
}

// barrier reports whether a request must not overtake older ones. An edit must not, except a cut of retention: what it removes may still be
// appended to. Rows without conditions must not: older values may still wait. A request with nothing is a barrier by
// design: callers send it to wait for all older requests.
func (p *pending) barrier() bool {
	r := p.request
	trims := r.Edit != nil && len(r.Edit.Trim) > 0
	return !trims && (r.Edit != nil || len(r.Events)+len(r.If)+len(r.Make) == 0)
}

// alone reports whether a request must be a commit of its own.
func (r *Request) alone() bool { return r.Edit != nil || r.Run }

// wait puts an owner at the end of the turns, unless it is in turn already or its first request may not go.
func (q *queue) wait(o *line) {
	if o.inTurn || o.first.barrier() && o.first != q.oldest {
		return
	}
	o.inTurn, o.next = true, nil
	if q.head == nil {
		q.head = o
	} else {
		q.tail.next = o
	}
	q.tail = o
}

// take removes the next requests from the queue and appends them to batch: at most some bytes, unless a single request is
// larger. An edit comes alone, and so does a run: a message of a shared journal is one commit, see together.
func (q *queue) take(batch []*pending, most int) []*pending {
	size := 0
	for q.head != nil {
		p := q.head.first
		alone := p.request.alone()
		if len(batch) > 0 && (alone || size+p.size > most) {
			break
		}
		q.pop()
		batch = append(batch, p)
		if size += p.size; alone {
			break
		}
	}
	return batch
}

// pop removes the first request of the owner whose turn it is. The owner goes to the end of the turns.
func (q *queue) pop() {
	o := q.head
	p := o.first
	q.head, o.inTurn = o.next, false
	o.first = p.next
	o.bytes -= p.size
	q.bytes -= p.size
	q.unlink(p)
	if o.first == nil {
		delete(q.by, o.owner)
	} else {
		q.wait(o)
	}
	if q.oldest != nil {
		q.wait(q.oldest.line) // its barrier may have waited for p
	}
}

// unlink takes a request out of the order of arrival.
func (q *queue) unlink(p *pending) {
	if p.earlier == nil {
		q.oldest = p.later
	} else {
		p.earlier.later = p.later
	}
	if p.later == nil {
		q.newest = p.earlier
	} else {
		p.later.earlier = p.earlier
	}
	p.queued = queued{}
}
