package documents

import (
	"context"
	"fmt"
	"strings"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Index rows and counts are derived from the documents of each commit. build makes those of documents that are there
// already, in steps. A step is a commit: nobody changes a document meanwhile, and others change documents between two
// steps. A row says how far the steps have come, so an interrupted build goes on after the next start.

// Bounds of one step. All writers wait for it.
const (
	stepMost  = 1000
	stepBytes = 4 << 20
)

// reportMost is the number of documents between two lines in the operator's log.
const reportMost = 100_000

// build counts what is not counted, builds the new indexes and drops those that are no longer declared.
func (s *Store) build(ctx context.Context) error {
	if err := s.countNew(ctx); err != nil {
		return fmt.Errorf("counting documents: %w", err)
	}
	declared := map[string]bool{}
	for name, fields := range s.indexes {
		for _, f := range fields {
			declared[indexMark(name, f)] = true
		}
	}
	var gone []string
	err := s.log.Rows(rowBuilt, func(r eventlog.Row) error {
		if !declared[r.Key] {
			gone = append(gone, r.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, mark := range gone {
		if err := s.dropIndex(mark); err != nil {
			return err
		}
	}
	for name, fields := range s.indexes {
		for _, f := range fields {
			err := s.steps("building an index", []any{"collection", name, "field", f.String()}, func() (int, bool, error) { return s.indexStep(ctx, name, f) })
			if err != nil {
				return fmt.Errorf("building the index of %s on %s: %w", name, f.String(), err)
			}
		}
	}
	return nil
}

// steps calls step until that was the last one, and reports to the operator how far it has come.
func (s *Store) steps(what string, of []any, step func() (documents int, last bool, err error)) error {
	for done, reported := 0, 0; ; {
		n, last, err := step()
		if err != nil {
			return err
		}
		if done += n; done-reported >= reportMost || last && done > 0 {
			s.o.Logger.Info(what, append(of[:len(of):len(of)], "documents", done, "whole", last)...)
			reported = done
		}
		if last {
			return nil
		}
	}
}

// read calls f with documents of a collection from a key on, as many as one step takes. next is the key after them, ""
// after the last one.
func (s *Store) read(ctx context.Context, name, from string, f func(key string, text []byte)) (n int, next string, err error) {
	size := 0
	err = s.log.View(ctx, func(v eventlog.View) error {
		return v.Scan(from, end(documents(name)), false, func(key, text []byte) (bool, error) {
			if size += len(text); n == stepMost || n > 0 && size > stepBytes {
				next = string(key)
				return false, nil
			}
			n++
			f(string(key), text)
			return true, nil
		})
	})
	return n, next, err
}

// indexMark is the key of the row that says how far an index is built: complete, or from which document on it is not.
func indexMark(name string, f query.Field) string { return rowBuilt + name + "/" + f.String() }

// The first byte of the value of an indexMark.
const (
	building = 0 // the key of the first document that is missing follows
	built    = 1
)

// indexStep is one step of building an index.
func (s *Store) indexStep(ctx context.Context, name string, f query.Field) (n int, last bool, err error) {
	base, mark, from := entries(name, f), indexMark(name, f), documents(name)
	err = s.log.Local(func(now eventlog.Lookup) (rows []eventlog.Row, drop []string, err error) {
		value, err := now.Row(mark)
		switch {
		case err != nil:
			return nil, nil, err
		case len(value) == 0: // there may be entries of an interrupted build of an older version
			drop = []string{base}
		case value[0] != building:
			last = true
			return nil, nil, nil
		default:
			from = string(value[1:])
		}
		var next string
		n, next, err = s.read(ctx, name, from, func(key string, text []byte) {
			id := strings.TrimPrefix(key, documents(name))
			rows = append(rows, eventlog.Row{Key: base + string(f.AppendKey(nil, text)) + id, Value: []byte(ID(text))})
		})
		is := append([]byte{building}, next...)
		if last = next == ""; last {
			is = []byte{built}
		}
		return append(rows, eventlog.Row{Key: mark, Value: is}), drop, err
	})
	return n, last, err
}

// dropIndex drops an index and its mark.
func (s *Store) dropIndex(mark string) error {
	base := rowIndex + strings.TrimPrefix(mark, rowBuilt) + "\x00"
	return s.log.Local(func(eventlog.Lookup) ([]eventlog.Row, []string, error) {
		return []eventlog.Row{{Key: mark}}, []string{base}, nil
	})
}

// countNew counts the collections that have documents and no counts: those of a version that did not store counts.
func (s *Store) countNew(ctx context.Context) error {
	names, err := s.uncounted(ctx)
	if err != nil {
		return err
	}
	// From the first commit on, derive must know which documents are not counted yet, in all of them.
	err = s.log.Local(func(now eventlog.Lookup) (rows []eventlog.Row, _ []string, err error) {
		for _, name := range names {
			key := rowCounted + name
			value, err := now.Row(key)
			if err != nil {
				return nil, nil, err
			}
			if _, err := parseCounts(key, value); value == nil || err != nil {
				rows = append(rows, (&counts{key: key, next: documents(name)}).row())
			}
		}
		return rows, nil, nil
	})
	for _, name := range names {
		if err == nil {
			err = s.steps("counting documents", []any{"collection", name}, func() (int, bool, error) { return s.countStep(ctx, name) })
		}
	}
	return err
}

// uncounted returns the collections that are not counted to their end. It takes one short scan for each collection.
func (s *Store) uncounted(ctx context.Context) (names []string, err error) {
	err = s.log.View(ctx, func(v eventlog.View) error {
		for from := rowDocument; ; {
			name := ""
			err := v.Scan(from, end(rowDocument), false, func(key, _ []byte) (bool, error) {
				name, _, _ = strings.Cut(string(key[len(rowDocument):]), "/")
				return false, nil
			})
			if err != nil || name == "" {
				return err
			}
			value, err := v.Row(rowCounted + name)
			if err != nil {
				return err
			}
			if c, err := parseCounts(rowCounted+name, value); value == nil || err != nil || c.next != "" {
				names = append(names, name)
			}
			from = end(documents(name))
		}
	})
	return names, err
}

// countStep is one step of counting a collection.
func (s *Store) countStep(ctx context.Context, name string) (n int, last bool, err error) {
	err = s.log.Local(func(now eventlog.Lookup) ([]eventlog.Row, []string, error) {
		value, err := now.Row(rowCounted + name)
		if err != nil {
			return nil, nil, err
		}
		c, err := parseCounts(rowCounted+name, value)
		if last = c.next == ""; last || err != nil {
			return nil, nil, err
		}
		n, c.next, err = s.read(ctx, name, c.next, func(_ string, text []byte) {
			c.totals = c.plus(totals{1, int64(len(text))})
		})
		last = c.next == ""
		return []eventlog.Row{c.row()}, nil, err
	})
	return n, last, err
}
