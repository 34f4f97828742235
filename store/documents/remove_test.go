package documents_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// TestRemoveWhere: a document that has changed since it was found is tested again, since it may no longer match, or be
// gone. The others are not tested again, since other writers wait during the test.
func TestRemoveWhere(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	one, err := query.Compile(query.Node{Op: query.Eq, Field: mustField(t, "n"), Values: []gjson.Result{gjson.Parse("1")}})
	if err != nil {
		t.Fatal(err)
	}
	var found []documents.Found
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		insert(t, s, "c", id, `{"n":2}`)
	}
	if err := s.Each(t.Context(), "c", nil, func(text []byte) error {
		found = append(found, s.Found(text))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	set(t, s, "b", "n", "1")
	set(t, s, "c", "n", "3")
	if _, err := s.Remove(t.Context(), "c", []string{"d", "e"}, false); err != nil {
		t.Fatal(err)
	}
	insert(t, s, "c", "e", `{"n":4}`) // another document of the same version
	if gone, err := s.RemoveWhere(t.Context(), "c", found, one); err != nil || !slices.Equal(gone, []string{"a", "b"}) {
		t.Error(gone, err)
	}
	if gone, err := s.RemoveWhere(t.Context(), "c", found, nil); err != nil || !slices.Equal(gone, []string{"c", "e"}) {
		t.Error(gone, err)
	}
}

// TestRemoveWhereBusy: too many documents have changed, and testing them would delay others for long.
func TestRemoveWhereBusy(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	slow, err := query.Compile(query.Node{Op: query.Regex, Field: mustField(t, "s"), Values: []gjson.Result{query.String("[x-z]{0,150}y")}})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, "c", "a", `{"s":"`+strings.Repeat("x", 10_000)+`"}`)
	text, err := s.Get(t.Context(), "c", "a")
	if err != nil {
		t.Fatal(err)
	}
	found := []documents.Found{s.Found(text)}
	set(t, s, "a", "n", "1")
	if gone, err := s.RemoveWhere(t.Context(), "c", found, slow); !errors.Is(err, documents.ErrBusy) || gone != nil {
		t.Error(gone, err)
	}
	if gone, err := s.RemoveWhere(t.Context(), "c", found, nil); err != nil || !slices.Equal(gone, []string{"a"}) { // no condition
		t.Error(gone, err)
	}
}

func mustField(t *testing.T, path string) query.Field {
	t.Helper()
	f, err := query.ParseField(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func set(t *testing.T, s *documents.Store, id, field, value string) {
	t.Helper()
	_, err := s.Update(t.Context(), "c", "", []string{id}, false, func(_ string, own *documents.Fields) error {
		own.Set(field, []byte(value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDepthOfChanges: an update cannot nest a document deeper than an insert can.
func TestDepthOfChanges(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	insert(t, s, "c", "a", `{}`)
	for depth, want := range map[int]error{100: nil, 101: documents.ErrShape} {
		_, err := s.Update(context.Background(), "c", "", []string{"a"}, false, func(_ string, own *documents.Fields) error {
			own.Set("x", []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
			return nil
		})
		if !errors.Is(err, want) {
			t.Error(depth, err)
		}
	}
}
