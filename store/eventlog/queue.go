package eventlog

// queue holds the requests that wait for the committer, which takes them round robin by owner: one that sends much keeps
// another's request waiting for one of its own. Those of one owner stay in order. A barrier waits for all that came before
// it: somebody may have given up waiting for what is still queued.
//
// An owner is in turn while its first request may go, that is, unless it is a barrier and others are older. While anything
// waits somebody is in turn, as the oldest request of all may go.
type queue struct {
	most           int // bytes
	bytes          int
	by             map[string]*line
	head, tail     *line    // in turn
	oldest, newest *pending // of all that wait
}

// line is an owner's part of the queue.
type line struct {
	owner       string
	first, last *pending
	bytes       int
	inTurn      bool
	next        *line // in turn
}

// queued is where a request stands in the queue.
type queued struct {
	line           *line
	next           *pending // of the line
	earlier, later *pending // of all
}

func newQueue(most int) queue { return queue{most: most, by: map[string]*line{}} }

// push queues a request, or reports false where there is no room: for one owner there is half of it. A request of any size
// fits where nothing else waits.
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

// barrier reports whether a request must not overtake others: an edit, as what it takes away may still be appended to;
// rows without conditions, as older ones may still come; and one with nothing, which callers send to wait for all before.
func (p *pending) barrier() bool {
	r := p.request
	return r.Edit != nil || len(r.Events)+len(r.If) == 0
}

// wait makes an owner the last in turn, if it is not in turn and its first request may go.
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

// take appends to batch what one commit should have, and takes it out of the queue. An edit comes alone.
func (q *queue) take(batch []*pending) []*pending {
	size := 0
	for q.head != nil {
		p := q.head.first
		edits := p.request.Edit != nil
		if len(batch) > 0 && (edits || size+p.size > groupBytes) {
			break
		}
		q.pop()
		batch = append(batch, p)
		if size += p.size; edits {
			break
		}
	}
	return batch
}

// pop takes out the first request of the owner whose turn it is, who is last in turn then.
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
