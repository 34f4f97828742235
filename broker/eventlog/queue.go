package eventlog

// queue holds the requests that wait for the committer, which takes them round robin by owner: one that sends much keeps
// another's request waiting for one of its own. Those of one owner stay in order. A barrier waits for all that came before
// it: somebody may have given up waiting for what is still queued.
type queue struct {
	most  int // bytes
	bytes int
	count uint64 // of requests since the start
	by    map[string]*line
	head  *line // whose turn it is
	tail  *line
}

// line is an owner's part of the queue.
type line struct {
	owner       string
	first, last *pending
	bytes       int
	next        *line // in turn
}

func newQueue(most int) queue { return queue{most: most, by: map[string]*line{}} }

// push queues a request, or reports false where there is no room: for one owner there is half of it. A request of any size
// fits where nothing else waits.
func (q *queue) push(p *pending, owner string) bool {
	o := q.by[owner]
	if q.bytes > 0 && q.bytes+p.size > q.most || o != nil && o.bytes+p.size > q.most/2 {
		return false
	}
	if o == nil {
		o = &line{owner: owner, first: p}
		q.by[owner] = o
		q.wait(o)
	} else {
		o.last.next = p
	}
	o.last = p
	o.bytes += p.size
	q.bytes += p.size
	q.count++
	p.number = q.count
	return true
}

// wait makes an owner the last in turn.
func (q *queue) wait(o *line) {
	if o.next = nil; q.head == nil {
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
		before, o := q.next()
		p := o.first
		edits := p.request.Edit != nil
		if len(batch) > 0 && (edits || size+p.size > groupBytes) {
			break
		}
		q.pop(before, o)
		batch = append(batch, p)
		if size += p.size; edits {
			break
		}
	}
	return batch
}

// barrier reports whether a request must not overtake others: an edit, as what it takes away may still be appended to;
// rows without conditions, as older ones may still come; and one with nothing, which callers send to wait for all before.
func (p *pending) barrier() bool {
	r := p.request
	return r.Edit != nil || len(r.Events)+len(r.If) == 0
}

// next is the owner whose turn it is, and the one before it: the first but those whose barrier waits for others. There always
// is one, as the oldest request of all may go.
func (q *queue) next() (before, o *line) {
	for o = q.head; o.first.barrier() && !q.oldest(o.first); o = o.next {
		before = o
	}
	return before, o
}

func (q *queue) oldest(p *pending) bool {
	for o := q.head; o != nil; o = o.next {
		if o.first.number < p.number {
			return false
		}
	}
	return true
}

// pop takes the first request of an owner out, who is last in turn then.
func (q *queue) pop(before, o *line) {
	p := o.first
	o.first, p.next = p.next, nil
	o.bytes -= p.size
	q.bytes -= p.size
	if before == nil {
		q.head = o.next
	} else {
		before.next = o.next
	}
	if q.tail == o {
		q.tail = before
	}
	if o.first == nil {
		delete(q.by, o.owner)
		return
	}
	q.wait(o)
}
