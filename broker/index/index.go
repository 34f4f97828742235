package index

import "sluice/channel"

// Index holds values of type T, each with the set of channels it wants.
type Index[T any] struct {
	spaces map[string]*table[*right[T]]
	turn   uint64 // the number of calls of Match
}

// Entry is a value in the index.
type Entry[T any] struct {
	value T
	set   []channel.Pattern
	spots []spot[T]
	seen  uint64 // the turn in which Match found it, so that it is found once even if several patterns match
}

// spot is where one pattern of an entry is registered.
type spot[T any] struct {
	list *list[T]
	at   int
}

// reference leads from a list back to the entry's spot: when another reference leaves the list, this one may move, and its
// spot must change.
type reference[T any] struct {
	entry *Entry[T]
	spot  int
}

type list[T any] struct{ refs []reference[T] }

// right has the lists of one left side.
type right[T any] struct {
	open  list[T] // any collection or none
	sides table[*list[T]]
}

// New makes an empty index.
func New[T any]() *Index[T] { return &Index[T]{spaces: map[string]*table[*right[T]]{}} }

// Add registers a value.
func (x *Index[T]) Add(set channel.Set, value T) *Entry[T] {
	patterns := set.Patterns()
	e := &Entry[T]{value: value, set: patterns, spots: make([]spot[T], len(patterns))}
	for i, p := range patterns {
		l := x.list(p)
		e.spots[i] = spot[T]{l, len(l.refs)}
		l.refs = append(l.refs, reference[T]{e, i})
	}
	return e
}

func (x *Index[T]) list(p channel.Pattern) *list[T] {
	lefts := x.spaces[p.Space]
	if lefts == nil {
		lefts = &table[*right[T]]{}
		x.spaces[p.Space] = lefts
	}
	r := lefts.get(p.Left, func() *right[T] { return &right[T]{} })
	if p.Right.Kind == channel.Open {
		return &r.open
	}
	return r.sides.get(p.Right, func() *list[T] { return &list[T]{} })
}

// Remove removes an entry, and every node that becomes empty. A second call does nothing.
func (x *Index[T]) Remove(e *Entry[T]) {
	for _, s := range e.spots {
		last := len(s.list.refs) - 1
		moved := s.list.refs[last]
		s.list.refs[s.at] = moved
		moved.entry.spots[moved.spot].at = s.at
		s.list.refs[last] = reference[T]{}
		s.list.refs = s.list.refs[:last]
	}
	e.spots = nil
	for _, p := range e.set {
		x.prune(p)
	}
}

func (x *Index[T]) prune(p channel.Pattern) {
	lefts := x.spaces[p.Space]
	if lefts == nil {
		return
	}
	r, ok := lefts.find(p.Left)
	if !ok {
		return
	}
	if l, ok := r.sides.find(p.Right); ok && len(l.refs) == 0 {
		r.sides.remove(p.Right)
	}
	if len(r.open.refs) > 0 || !r.sides.empty() {
		return
	}
	if lefts.remove(p.Left); lefts.empty() {
		delete(x.spaces, p.Space)
	}
}

// Match appends each value that wants the channel to dst, once, in no order.
func (x *Index[T]) Match(c channel.Channel, dst []T) []T {
	lefts := x.spaces[c.Space]
	if lefts == nil {
		return dst
	}
	x.turn++
	if lefts.hasAny {
		dst = x.matchRight(lefts.any, c.Collection, dst)
	}
	if r, ok := lefts.exact[c.Left]; ok {
		dst = x.matchRight(r, c.Collection, dst)
	}
	if len(lefts.lengths) > 0 && !channel.IsMethod(c.Left) {
		for _, n := range lefts.lengths {
			if n.length > len(c.Left) {
				break
			}
			if r, ok := lefts.prefix[c.Left[:n.length]]; ok {
				dst = x.matchRight(r, c.Collection, dst)
			}
		}
	}
	return dst
}

func (x *Index[T]) matchRight(r *right[T], collection string, dst []T) []T {
	dst = x.collect(&r.open, dst)
	if collection == "" {
		return dst
	}
	if r.sides.hasAny {
		dst = x.collect(r.sides.any, dst)
	}
	if l, ok := r.sides.exact[collection]; ok {
		dst = x.collect(l, dst)
	}
	for _, n := range r.sides.lengths {
		if n.length > len(collection) {
			break
		}
		if l, ok := r.sides.prefix[collection[:n.length]]; ok {
			dst = x.collect(l, dst)
		}
	}
	return dst
}

func (x *Index[T]) collect(l *list[T], dst []T) []T {
	for i := range l.refs {
		if e := l.refs[i].entry; e.seen != x.turn {
			e.seen = x.turn
			dst = append(dst, e.value)
		}
	}
	return dst
}
