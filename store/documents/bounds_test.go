package documents_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// Skip and Limit come from clients, which may send any number.
func TestSkipAnything(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	for i := range 3 {
		insert(t, s, "c", "", fmt.Sprintf(`{"n":%d}`, i))
	}
	for _, skip := range []int{math.MinInt, -1, 0, 2, 3, 10_000, 10_001, math.MaxInt} {
		for _, limit := range []int{math.MinInt, -1, 0, 1, 10_000, 10_001, math.MaxInt} {
			want := max(0, 3-max(0, skip))
			if limit >= 0 {
				want = min(want, limit)
			}
			for sorted, o := range map[bool]query.Order{false: nil, true: order("n")} {
				r, err := s.Find(context.Background(), "c", &documents.Query{Skip: skip, Limit: limit, Order: o})
				var over *documents.LimitError
				refused := sorted && limit >= 0 && (limit > 10_000 || max(0, skip) > 10_000-limit)
				if errors.As(err, &over) != refused || err != nil && !refused || err == nil && len(r.Documents) != want {
					t.Errorf("skip %d, limit %d, sorted %v: %v, want %d", skip, limit, sorted, err, want)
				}
			}
		}
	}
}

// Sort keys are in memory: 10,000 documents sorted a hundred times by the same long text would take a gigabyte.
func TestSortBytes(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	text := strings.Repeat("x", 1000)
	for range 200 {
		insert(t, s, "c", "", `{"t":"`+text+`"}`)
	}
	var long query.Order
	for range query.MaxFields {
		long = append(long, order("t")...)
	}
	find := func(limit int) error {
		_, err := s.Find(context.Background(), "c", &documents.Query{Limit: limit, Order: long})
		return err
	}
	var over *documents.LimitError
	if err := find(-1); !errors.As(err, &over) {
		t.Error(err)
	}
	if err := find(100); err != nil {
		t.Error(err)
	}
}
