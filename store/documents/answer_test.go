package documents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/store/documents"
)

// Answers that clients do not read stay in memory. All of them together have a bound; small ones do not count.
func TestMemoryOfAnswers(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	var ids []string
	for i := range 160 {
		ids = append(ids, fmt.Sprintf("%03d", i))
		insert(t, s, "large", ids[i], `{"t":"`+strings.Repeat("a", 60<<10)+`"}`)
	}
	insert(t, s, "small", "", `{"t":"`+strings.Repeat("a", 30<<10)+`"}`)
	set := func(_ string, own *documents.Fields) error { own.Set("n", []byte("1")); return nil }
	asks := map[string]func(ctx context.Context) error{
		"list": func(ctx context.Context) error {
			_, err := s.Find(ctx, "large", &documents.Query{Limit: -1})
			return err
		},
		"sorted": func(ctx context.Context) error {
			_, err := s.Find(ctx, "large", &documents.Query{Limit: -1, Order: order("_changed")})
			return err
		},
		"ids": func(ctx context.Context) error {
			_, err := s.GetMany(ctx, "large", ids)
			return err
		},
		"figures": func(ctx context.Context) error { return s.Hold(ctx, make([]byte, 9<<20)) },
		"update": func(ctx context.Context) error {
			_, err := s.Update(ctx, "large", "", ids[:100], false, set)
			return err
		},
	}
	for name, ask := range asks {
		ctx, written := context.WithCancel(context.Background())
		n := 0
		var err error
		for ; err == nil && n < 100; n++ {
			err = ask(ctx)
		}
		if !errors.Is(err, documents.ErrMemory) || n < 1 || n > 5 {
			t.Errorf("%s: %d answers, %v", name, n, err)
		}
		for range 1000 {
			r, err := s.Find(ctx, "small", &documents.Query{Limit: -1})
			if err != nil || len(r.Documents) != 1 {
				t.Fatal(name, err)
			}
		}
		if _, err := s.Remove(ctx, "large", []string{ids[len(ids)-1]}, false); err != nil {
			t.Error(name, err)
		}
		ids = ids[:len(ids)-1]
		written()
		deadline := time.Now().Add(10 * time.Second)
		for err = documents.ErrMemory; errors.Is(err, documents.ErrMemory) && time.Now().Before(deadline); {
			ctx, written := context.WithCancel(context.Background())
			err = ask(ctx)
			written()
		}
		if err != nil {
			t.Errorf("%s, once the others are written: %v", name, err)
		}
	}
}
