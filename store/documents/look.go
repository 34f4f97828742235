package documents

import "sort"

// Collection is a collection with documents, as an administrator sees it.
type Collection struct {
	Name    string
	Count   int64
	Bytes   int64
	Indexes []string // the fields
}

// Collections are those with documents, sorted by name.
func (s *Store) Collections() []Collection {
	s.mu.Lock()
	all := make([]Collection, 0, len(s.collections))
	for name, c := range s.collections {
		if c.stored.count > 0 {
			all = append(all, Collection{Name: name, Count: c.stored.count, Bytes: c.stored.bytes})
		}
	}
	s.mu.Unlock()
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	for i := range all {
		for _, f := range s.indexes[all[i].Name] {
			all[i].Indexes = append(all[i].Indexes, f.String())
		}
	}
	return all
}
