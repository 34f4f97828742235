package documents

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sluice/store/documents/query"
)

// Choose returns those of some documents that match a condition, in an order, or in that of ids. It counts as a query:
// the condition is tested on each document, and that may take as long as a query may.
func (s *Store) Choose(ctx context.Context, name string, ids []string, where *query.Condition, order query.Order) (r *Result, err error) {
	a := answer{store: s, ctx: ctx}
	behind := s.log.Again(ctx, func() (all bool) {
		r, all, err = s.choose(ctx, name, ids, where, order, &a)
		return err != nil || all
	})
	if behind != nil {
		err = fmt.Errorf("looking for documents: %w", behind)
	}
	a.end(err)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// choose is Choose for the documents that are here. all reports whether none is missing.
func (s *Store) choose(ctx context.Context, name string, ids []string, where *query.Condition, order query.Order, a *answer) (r *Result, all bool, err error) {
	r, all, a.bytes = &Result{Total: -1}, true, 0
	err = s.query(ctx, name, func(ex *execution) error {
		r.Position = ex.view.Position()
		for _, id := range ids {
			text, err := ex.view.Row(documentKey(name, id))
			if err != nil {
				return err
			}
			if text == nil {
				all = false
				continue
			}
			if err := ex.step(where, text); err != nil {
				return err
			}
			if !where.Match(text) {
				continue
			}
			if err := a.show(text); err != nil {
				return err
			}
			r.Documents = append(r.Documents, text)
		}
		return ex.sort(r.Documents, order)
	})
	return r, all, err
}

// sort sorts documents. It counts as work of the query.
func (ex *execution) sort(texts [][]byte, order query.Order) (err error) {
	if len(order) == 0 {
		return nil
	}
	slices.SortStableFunc(texts, func(x, y []byte) int {
		if err != nil {
			return 0
		}
		if err = ex.spend(int64(len(order)) * int64(max(len(x)+len(y), minWork))); err != nil {
			return 0
		}
		tie := strings.Compare(ID(x), ID(y))
		if order[0].Descending {
			tie = -tie
		}
		return cmp.Or(order.Compare(x, y), tie)
	})
	return err
}
