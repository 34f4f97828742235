package document_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/broker/document"
	"sluice/broker/document/query"
)

// TestRemoveWhere: what no longer matches, or is gone, stays untouched.
func TestRemoveWhere(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, document.Options{})
	defer closeLog(t, log)
	for id, text := range map[string]string{"a": `{"n":1}`, "b": `{"n":2}`, "c": `{"n":1}`} {
		insert(t, s, "c", id, text)
	}
	n, err := query.ParseField("n")
	if err != nil {
		t.Fatal(err)
	}
	one, err := query.Compile(query.Node{Op: query.Eq, Field: n, Values: []gjson.Result{gjson.Parse("1")}})
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := s.RemoveWhere(context.Background(), "c", []string{"a", "b", "c", "d"}, one); err != nil || !slices.Equal(gone, []string{"a", "c"}) {
		t.Error(gone, err)
	}
	if gone, err := s.RemoveWhere(context.Background(), "c", []string{"a", "b"}, nil); err != nil || !slices.Equal(gone, []string{"b"}) {
		t.Error(gone, err)
	}
}

// TestDepthOfChanges: an update cannot make a document deeper than an insert can.
func TestDepthOfChanges(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, document.Options{})
	defer closeLog(t, log)
	insert(t, s, "c", "a", `{}`)
	for depth, want := range map[int]error{100: nil, 101: document.ErrShape} {
		_, err := s.Update(context.Background(), "c", "", []string{"a"}, false, func(_ string, own *document.Fields) error {
			own.Set("x", []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
			return nil
		})
		if !errors.Is(err, want) {
			t.Error(depth, err)
		}
	}
}
