package index

// list has the references of the entries with one pattern. Most patterns name something of one user, so there is one. With
// slices for them, an index of such patterns would take half as much memory again.
type list[T any] struct {
	first reference[T]    // without an entry: the list is empty
	more  *[]reference[T] // nil: none
}

// reference leads from a list back to the entry and the number of its pattern: when another reference leaves the list, this
// one may move, and the entry must know its new place.
type reference[T any] struct {
	entry   *Entry[T]
	pattern int
}

func (l *list[T]) len() int {
	switch {
	case l.first.entry == nil:
		return 0
	case l.more == nil:
		return 1
	}
	return 1 + len(*l.more)
}

// add returns the place of the new reference.
func (l *list[T]) add(r reference[T]) uint32 {
	if l.first.entry == nil {
		l.first = r
		return 0
	}
	if l.more == nil {
		l.more = &[]reference[T]{}
	}
	*l.more = append(*l.more, r)
	return uint32(len(*l.more))
}

// remove removes the reference at a place; the last one moves there. It returns true if the list is empty then.
func (l *list[T]) remove(at uint32) (empty bool) {
	if l.more == nil {
		l.first = reference[T]{}
		return true
	}
	refs := *l.more
	last := len(refs) - 1
	moved := refs[last]
	if at == 0 {
		l.first = moved
	} else {
		refs[at-1] = moved
	}
	moved.entry.at[moved.pattern] = at
	refs[last] = reference[T]{}
	if *l.more = refs[:last]; last == 0 {
		l.more = nil
	}
	return false
}
