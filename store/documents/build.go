package documents

import (
	"context"
	"strings"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// buildBatch is how many documents are indexed in one commit.
const buildBatch = 1000

// build builds the new indexes and drops those that are no longer declared. An index gets its mark only when it is
// complete, so an interrupted build starts again.
func (s *Store) build(ctx context.Context) error {
	declared := map[string]bool{}
	for name, fields := range s.indexes {
		for _, f := range fields {
			declared[rowBuilt+name+"/"+f.String()] = true
		}
	}
	built := map[string]bool{}
	var gone []string
	err := s.log.Rows(rowBuilt, func(r eventlog.Row) error {
		built[r.Key] = true
		if !declared[r.Key] {
			gone = append(gone, r.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, mark := range gone {
		if err := s.dropIndex(ctx, mark); err != nil {
			return err
		}
	}
	for name, fields := range s.indexes {
		for _, f := range fields {
			if built[rowBuilt+name+"/"+f.String()] {
				continue
			}
			if err := s.buildOne(ctx, name, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropIndex drops an index and its mark.
func (s *Store) dropIndex(ctx context.Context, mark string) error {
	_, err := s.log.Append(ctx, &eventlog.Request{
		Edit: &eventlog.Edit{DropRows: []string{rowIndex + strings.TrimPrefix(mark, rowBuilt) + "\x00"}},
		Rows: []eventlog.Row{{Key: mark}},
	})
	return err
}

func (s *Store) buildOne(ctx context.Context, name string, f query.Field) error {
	base := documents(name)
	// Entries of an interrupted build may be of documents that are gone by now.
	if _, err := s.log.Append(ctx, &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{entries(name, f)}}}); err != nil {
		return err
	}
	done := 0
	for from := base; from != ""; {
		r := &eventlog.Request{}
		next := ""
		err := s.log.View(ctx, func(v eventlog.View) error {
			return v.Scan(from, end(base), false, func(key, text []byte) (bool, error) {
				if len(r.Rows) == buildBatch {
					next = string(key)
					return false, nil
				}
				id := ID(text)
				r.Rows = append(r.Rows, eventlog.Row{Key: entries(name, f) + string(f.AppendKey(nil, text)) + string(idKey(id)), Value: []byte(id)})
				return true, nil
			})
		})
		if err != nil {
			return err
		}
		done += len(r.Rows)
		if next == "" {
			r.Rows = append(r.Rows, eventlog.Row{Key: rowBuilt + name + "/" + f.String(), Value: []byte{1}})
		}
		if _, err := s.log.Append(ctx, r); err != nil {
			return err
		}
		if next == "" || done%100_000 == 0 {
			s.o.Logger.Info("building an index", "collection", name, "field", f.String(), "documents", done, "whole", next == "")
		}
		from = next
	}
	return nil
}
