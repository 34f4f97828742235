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
	set   channel.Set
	at    []uint32 // for each pattern of the set, the place in its list
	seen  uint64   // the turn in which Match found it, so that it is found once even if several patterns match
}

// right has the lists of one left side.
type right[T any] struct {
	open  list[T]          // any collection or none
	sides *table[*list[T]] // nil: none
}

// New makes an empty index.
func New[T any]() *Index[T] { return &Index[T]{spaces: map[string]*table[*right[T]]{}} }

// Add registers a value.
func (x *Index[T]) Add(set channel.Set, value T) *Entry[T] {
	e := &Entry[T]{value: value, set: set, at: make([]uint32, set.Len())}
	i := 0
	for p := range set.Patterns() {
		e.at[i] = x.list(p).add(reference[T]{e, i})
		i++
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
	if r.sides == nil {
		r.sides = &table[*list[T]]{}
	}
	return r.sides.get(p.Right, func() *list[T] { return &list[T]{} })
}

// Remove removes an entry, and every node that becomes empty. A second call does nothing.
func (x *Index[T]) Remove(e *Entry[T]) {
	if e.at == nil {
		return
	}
	i := 0
	for p := range e.set.Patterns() {
		x.remove(p, e.at[i])
		i++
	}
	e.at = nil
}

// remove removes the reference at a place of a pattern's list.
func (x *Index[T]) remove(p channel.Pattern, at uint32) {
	lefts := x.spaces[p.Space]
	r, _ := lefts.find(p.Left)
	if p.Right.Kind == channel.Open {
		r.open.remove(at)
	} else if l, _ := r.sides.find(p.Right); l.remove(at) {
		if r.sides.remove(p.Right); r.sides.empty() {
			r.sides = nil
		}
	}
	if r.open.len() > 0 || r.sides != nil {
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
	if collection == "" || r.sides == nil {
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

// collect appends the values of the entries that this turn has not found yet.
func (x *Index[T]) collect(l *list[T], dst []T) []T {
	if e := l.first.entry; e != nil && e.seen != x.turn {
		e.seen = x.turn
		dst = append(dst, e.value)
	}
	if l.more == nil {
		return dst
	}
	for _, r := range *l.more {
		if e := r.entry; e.seen != x.turn {
			e.seen = x.turn
			dst = append(dst, e.value)
		}
	}
	return dst
}
