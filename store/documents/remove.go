package documents

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Remove takes documents away, all or none, and gives the ids of those that it took away. One that is not there is
// ErrNotFound, or, where lenient, left out.
func (s *Store) Remove(ctx context.Context, name string, ids []string, lenient bool) ([]string, error) {
	return s.remove(ctx, name, ids, lenient, func(string, []byte) (bool, error) { return true, nil })
}

// Found is a document as a query has met it.
type Found struct {
	ID   string
	hash uint64 // of its text
}

// Found is a document for RemoveWhere.
func (s *Store) Found(text []byte) Found { return Found{ID(text), maphash.Bytes(s.seed, text)} }

// RemoveWhere takes away those of some documents that are there and match. Only those that others have changed since
// they were found are asked again: a condition may take as long as a query, and all who write wait for a thousand
// documents. It is ErrBusy where that would be more work than a query does without a slot.
func (s *Store) RemoveWhere(ctx context.Context, name string, found []Found, where *query.Condition) ([]string, error) {
	ids, hashes := make([]string, len(found)), make(map[string]uint64, len(found))
	for i, f := range found {
		ids[i], hashes[f.ID] = f.ID, f.hash
	}
	left := int64(freeWork)
	return s.remove(ctx, name, ids, true, func(id string, was []byte) (bool, error) {
		if where == nil || maphash.Bytes(s.seed, was) == hashes[id] {
			return true, nil
		}
		if left -= workOf(where, was); left < 0 {
			return false, fmt.Errorf("%w: %q and others", ErrBusy, id)
		}
		return where.Match(was), nil
	})
}

func (s *Store) remove(ctx context.Context, name string, ids []string, lenient bool, goes func(id string, was []byte) (bool, error)) ([]string, error) {
	ch, err := s.change(ctx, name, ids, lenient, func(ch *change, id string, was []byte) error {
		if yes, err := goes(id, was); !yes || err != nil {
			return err
		}
		return ch.add(s, id, was, nil)
	}, func(ch *change) {
		data, _ := json.Marshal(ch.ids) // strings
		ch.request.FromReserve = true
		ch.request.Events = []eventlog.Event{{Name: "delete", Collection: name, Data: data, Meta: []byte{metaAll}}}
	})
	return ch.ids, err
}
