package documents_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"sluice/store/documents"
)

// TestEmptyCollections: a collection without documents makes room for another.
func TestEmptyCollections(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{MaxCollections: 3, MaxDocuments: 2})
	defer closeLog(t, log)
	insert(t, s, "kept", "a", `{}`)
	for i := range 10 { // inserted and removed
		name := fmt.Sprintf("c%d", i)
		insert(t, s, name, "a", `{}`)
		if _, err := s.Remove(t.Context(), name, []string{"a"}, false); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 { // refused
		var limit *documents.LimitError
		if _, err := s.Insert(t.Context(), fmt.Sprintf("r%d", i), "", make([]documents.New, 3)); !errors.As(err, &limit) || limit.Setting != "MAX_DOCUMENTS" {
			t.Error(err)
		}
	}
	insert(t, s, "x", "a", `{}`)
	insert(t, s, "y", "a", `{}`)
	var limit *documents.LimitError
	if _, err := s.Insert(t.Context(), "z", "", make([]documents.New, 1)); !errors.As(err, &limit) || limit.Setting != "MAX_COLLECTIONS" {
		t.Error(err)
	}
	for name, want := range map[string]int64{"kept": 1, "c0": 0, "x": 1} {
		if n := s.Count(name); n != want {
			t.Error(name, n)
		}
	}
}

// TestEmptyCollectionsTogether: a collection that is forgotten while somebody uses it is counted right.
func TestEmptyCollectionsTogether(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{MaxCollections: 2})
	defer closeLog(t, log)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			name := fmt.Sprintf("c%d", w)
			for i := range 300 {
				id := fmt.Sprint(i)
				if _, err := s.Insert(t.Context(), name, "", []documents.New{{ID: id}}); err != nil {
					if limit := new(documents.LimitError); !errors.As(err, &limit) {
						t.Error(err)
					}
					continue
				}
				if _, err := s.Remove(t.Context(), name, []string{id}, false); err != nil {
					t.Error(err)
				}
				if n := s.Count(name); n != 0 {
					t.Error(name, n)
				}
			}
		})
	}
	group.Wait()
}
