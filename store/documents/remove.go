package documents

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Remove removes documents, all or none, and returns their ids. If one does not exist, the error is ErrNotFound; if
// lenient, Remove skips it.
func (s *Store) Remove(ctx context.Context, name string, ids []string, lenient bool) ([]string, error) {
	return s.remove(ctx, name, ids, lenient, func(string, []byte) (bool, error) { return true, nil })
}

// Found is a document as a query has found it.
type Found struct {
	ID   string
	hash uint64 // of its text
}

// Found makes the Found of a document, for RemoveWhere.
func (s *Store) Found(text []byte) Found { return Found{ID(text), maphash.Bytes(s.seed, text)} }

// RemoveWhere removes those of some found documents that still exist and match. It tests the condition again only on
// documents that have changed since: testing it may take as long as a query, and all writers would wait for a thousand
// documents. The error is ErrBusy if that would be more work than a query may do without a slot for scans.
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
